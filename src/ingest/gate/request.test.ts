import { expect, test } from 'vitest';
import { headersToKeep } from './request.js';

const NONE = { unwantedHeaders: new Set<string>() };

test('headers that prove or transport are not stored, the others are', () => {
  const sent = {
    'content-type': 'application/json', 'user-agent': 'GitHub-Hookshot/1', 'x-github-event': 'push', 'webhook-id': 'msg_1', 'webhook-timestamp': '1',
    authorization: 'Bearer x', cookie: 'a=b', 'x-hub-signature-256': 'sha256=…', 'stripe-signature': 't=1', 'x-shopify-hmac-sha256': 'x', 'x-gitlab-token': 'x', 'x-api-key': 'x', 'x-apikey': 'x', 'x-client-secret': 'x',
    host: 'h', connection: 'close', 'content-length': '1', accept: '*/*', 'accept-encoding': 'gzip', 'x-forwarded-for': '1.2.3.4', 'proxy-authorization': 'x', 'x-own': 'proof',
    'x-auth-request-user': 'x', 'x-goog-iap-jwt-assertion': 'x', 'x-original-uri': '/in/x', 'x-original-url': '/in/x', 'x-rewrite-url': '/in/x', 'x-replaced-path': '/in/x', 'x-envoy-original-path': '/in/x', 'x-waws-unencoded-url': '/in/x',
  };
  expect(Object.keys(headersToKeep(sent, { unwantedHeaders: new Set(['x-own']) }))).toEqual(['content-type', 'user-agent', 'x-github-event', 'webhook-id', 'webhook-timestamp']);
});

test('many and long headers are bounded, and no name is special', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, 'v']));
  expect(Object.keys(headersToKeep(many, NONE))).toHaveLength(32);
  expect(headersToKeep({ 'x-long': 'v'.repeat(257), 'x-fits': 'v'.repeat(256) }, NONE)).toEqual({ 'x-fits': 'v'.repeat(256) });
  expect(headersToKeep({ constructor: 'c', 'x-a': 'a' }, NONE)).toEqual({ constructor: 'c', 'x-a': 'a' });
});

test('a header with the token of the URL in it is not stored, whatever its name', () => {
  const sent = { referer: 'https://a.example/in/the-token?x=1', 'x-path': '/in/the-token', 'x-other': '/in/the-toke' };
  expect(headersToKeep(sent, { ...NONE, token: 'the-token' })).toEqual({ 'x-other': '/in/the-toke' });
});
