import { expect, test } from 'vitest';
import { AccessTokens } from '../../src/delivery/credentials/tokens.js';
import { Dispatcher } from '../../src/platform/outbound/dispatcher.js';
import { AddressGuard } from '../../src/platform/outbound/guard.js';
import { deliveryOf, givenEvent, givenWebhook, type GivenWebhook, QUICK, type SeenDelivery } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';
import { refusal, useTokenEndpoint } from '../support/token-endpoint.js';

const house = useHouse({ DELIVERY_TIMEOUT_MS: '1000' });
const receiver = useReceiver();
const idp = useTokenEndpoint();

const CLIENT = { client_id: 'the client', client_secret: 'planted/client+secret' };
const authOf = (name: string, more: object = {}) => ({ type: 'oauth2', token_url: `${idp.url}/${name}`, ...CLIENT, ...more });
const given = (name: string, auth: object = {}, more: object = {}): Promise<GivenWebhook> =>
  givenWebhook(house, `${receiver.url}/${name}`, { events: [name], auth: authOf(name, auth), ...more });
const bearers = (name: string): unknown[] => receiver.requests.filter(({ path }) => path === `/${name}`).map(({ headers }) => headers.authorization);
const sent = async (name: string, status = 'succeeded'): Promise<SeenDelivery> => deliveryOf(house, await givenEvent(house, name), status);
const asked = (name: string): number => idp.requests.filter(({ path }) => path === `/${name}`).length;

test('deliveries carry a token that is fetched with the client’s credentials, once for many', async () => {
  await given('grant', { scope: 'events:write other', audience: 'https://api.example' });
  for (let n = 0; n < 3; n++) await sent('grant');
  expect(bearers('grant')).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-1']);
  expect(idp.requests).toHaveLength(1);
  expect(idp.requests[0]).toMatchObject({
    form: { grant_type: 'client_credentials', scope: 'events:write other', audience: 'https://api.example' },
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', authorization: `Basic ${Buffer.from('the+client:planted%2Fclient%2Bsecret').toString('base64')}` },
  });
  expect(idp.requests[0]!.form).not.toHaveProperty('client_secret');
});

test('with client_auth "body" the client shows itself in the form', async () => {
  await given('form', { client_auth: 'body' });
  await sent('form');
  expect(idp.requests[0]!.form).toEqual({ grant_type: 'client_credentials', ...CLIENT });
  expect(idp.requests[0]!.headers.authorization).toBeUndefined();
});

test('fifty attempts at once wait for one fetch, and fifty that are refused at once for one more', async () => {
  const dispatcher = new Dispatcher({ timeoutMs: 10_000, connectTimeoutMs: 5_000, connections: 50 }, new AddressGuard('true'));
  const auth = { type: 'oauth2', token_url: `${idp.url}/fifty`, ...CLIENT, client_auth: 'basic' } as const;
  const tokens = new AccessTokens(auth, (url, headers, body) => dispatcher.post(url, headers, body), () => house.clock.now());
  const attempts = () => Promise.all(Array.from({ length: 50 }, () => tokens.use((authorization) => dispatcher.post(`${receiver.url}/fifty`, { authorization }, Buffer.from('{}')))));
  const statuses = async () => [...new Set((await attempts()).map(({ status }) => status))];
  expect(await statuses()).toEqual([200]);
  expect(asked('fifty')).toBe(1);
  receiver.answer = ({ headers }) => (headers.authorization === 'Bearer token-1' ? 401 : 200);
  expect(await statuses()).toEqual([200]);
  expect(asked('fifty')).toBe(2);
  expect(bearers('fifty').filter((bearer) => bearer === 'Bearer token-2')).toHaveLength(50);
  await dispatcher.close();
});

test('a token is renewed before it expires', async () => {
  idp.answer = (_, earlier) => ({ access_token: `token-${earlier + 1}`, expires_in: 100 });
  await given('expiry');
  await sent('expiry');
  house.clock.advance(75_000);
  await sent('expiry');
  house.clock.advance(20_000);
  await sent('expiry');
  expect(bearers('expiry')).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2']);
});

test('a stale token serves while the token endpoint fails, until it expires', async () => {
  idp.answer = (_, earlier) => (earlier === 0 ? { access_token: 'token-1', expires_in: 100 } : refusal(503, ''));
  await given('stale', {}, { retry_policy: { max_retries: 0 } });
  await sent('stale');
  house.clock.advance(95_000);
  await sent('stale');
  house.clock.advance(6_000);
  expect((await sent('stale', 'dead')).attempts[0]).toMatchObject({ error_class: 'token', response_status: null, error: expect.stringContaining('answered HTTP 503') });
  expect(bearers('stale')).toEqual(['Bearer token-1', 'Bearer token-1']);
});

test('a 401 fetches another token and tries once more, within the same attempt', async () => {
  receiver.answer = ({ headers }) => (headers.authorization === 'Bearer token-1' ? 401 : 200);
  await given('revoked');
  const { attempts } = await sent('revoked');
  expect(attempts).toMatchObject([{ attempt: 1, response_status: 200, error_class: null }]);
  expect(bearers('revoked')).toEqual(['Bearer token-1', 'Bearer token-2']);
});

test('a receiver that always answers 401 does not wear out the token endpoint, and is given another chance later', async () => {
  receiver.answer = () => 401;
  await given('always', {}, { retry_policy: { ...QUICK, max_retries: 2 } });
  for (let n = 0; n < 2; n++) {
    const { attempts } = await sent('always', 'dead');
    expect(attempts.map(({ response_status, error_class }) => [response_status, error_class])).toEqual(Array.from({ length: 3 }, () => [401, 'http_4xx']));
  }
  expect(asked('always')).toBe(2);
  house.clock.advance(61_000);
  receiver.answer = ({ headers }) => (headers.authorization === 'Bearer token-3' ? 200 : 401);
  await sent('always');
  expect(asked('always')).toBe(3);
});

test('when a 401 comes and no other token can be had, the attempt says both', async () => {
  receiver.answer = () => 401;
  idp.answer = (_, earlier) => (earlier === 0 ? { access_token: 'token-1' } : refusal(400, { error: 'invalid_scope' }));
  await given('both', {}, { retry_policy: { max_retries: 0 } });
  expect((await sent('both', 'dead')).attempts[0]).toMatchObject({ error_class: 'token', response_status: 401, error: expect.stringMatching(/The receiver answered HTTP 401.*answered HTTP 400 Bad Request: invalid_scope/) });
});

test.each([
  ['an OAuth error', refusal(401, { error: 'invalid_client', error_description: 'no client with planted/client+secret\u0007' }), /answered HTTP 401 Unauthorized: invalid_client: no client with \(a secret of the webhook\)\?/],
  ['another error', refusal(500, '<h1>planted</h1>', 'text/html'), /answered HTTP 500 Internal Server Error\.$/],
  ['no JSON', refusal(200, 'access_token=planted', 'text/plain'), /its body is not JSON/],
  ['JSON that is no object', refusal(200, 'null'), /without an access_token/],
  ['no token', refusal(200, { token: 'planted' }), /without an access_token/],
  ['a token that breaks out of its header', refusal(200, { access_token: 'planted\r\nx-evil: 1' }), /cannot be sent in a header/],
  ['a token that is too long', refusal(200, { access_token: 'planted'.repeat(2_000) }), /cannot be sent in a header/],
  ['another kind of token', refusal(200, { access_token: 'planted', token_type: 'mac' }), /is of type mac; only bearer/],
  ['a kind of token that is no text', refusal(200, { access_token: 'planted', token_type: { toString: 1 } }), /is of type \(not text\)/],
  ['a redirect', (response: import('node:http').ServerResponse) => void response.writeHead(302, { location: '/elsewhere' }).end(), /answered HTTP 302 Found: redirects are not followed/],
  ['silence', () => {}, /could not be asked: No answer within 1 s/],
  ['an endless answer', (response: import('node:http').ServerResponse) => void response.writeHead(200).end(Buffer.alloc(2 * 1024 * 1024, 'x')), /could not be asked: .*longer than 1 MiB/],
  ['a broken connection', (response: import('node:http').ServerResponse) => void response.socket!.destroy(), /could not be asked: The connection was closed/],
])('a token endpoint that answers with %s fails the attempt, which says so, and is tried again', async (what, answer, words) => {
  const name = `bad.${what.replaceAll(' ', '-')}`;
  idp.answer = (_, earlier) => (earlier === 0 ? answer : { access_token: 'good' });
  await given(name, {}, { retry_policy: { ...QUICK, max_retries: 1 } });
  const { attempts } = await sent(name);
  expect(attempts).toMatchObject([{ error_class: 'token', response_status: null, error: expect.stringMatching(words) }, { response_status: 200, error_class: null }]);
  expect(attempts[0]!.error).toContain(new URL(idp.url).host);
  expect(JSON.stringify(attempts)).not.toContain('planted');
  expect(bearers(name)).toEqual(['Bearer good']);
  expect(asked('elsewhere')).toBe(0);
});

test('a token endpoint that fails again and again is left alone for a while, and asked again later', async () => {
  idp.answer = () => refusal(401, { error: 'invalid_client' });
  await given('patience', {}, { retry_policy: { ...QUICK, base_seconds: 0, max_retries: 10 } });
  const { attempts } = await sent('patience', 'dead');
  expect(new Set(attempts.map(({ error_class, error }) => `${error_class} ${error}`)).size).toBe(1);
  expect(asked('patience')).toBeLessThan(attempts.length);
  idp.answer = () => ({ access_token: 'token-1' });
  house.clock.advance(20_000);
  await sent('patience');
});

test('changed credentials count from the next attempt on, with a token of their own', async () => {
  const { webhook_id } = await given('changed');
  await sent('changed');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ auth: authOf('changed', { client_id: 'another', client_secret: '********' }) }).expect(200);
  await sent('changed');
  expect(bearers('changed')).toEqual(['Bearer token-1', 'Bearer token-2']);
  expect(Buffer.from(idp.requests[1]!.headers.authorization!.slice(6), 'base64').toString()).toBe('another:planted%2Fclient%2Bsecret');
});

test('a token is masked in the record, even where the receiver echoes it', async () => {
  receiver.answer = ({ headers }) => ({ status: 500, headers: { 'x-echo': headers.authorization! }, body: JSON.stringify(headers) });
  idp.answer = () => ({ access_token: 'planted-token' });
  await given('echo', {}, { retry_policy: { max_retries: 0 } });
  const { attempts } = await sent('echo', 'dead');
  expect(attempts[0]!.request_headers.authorization).toBe('(set on the webhook)');
  expect(attempts[0]!.response_body).toContain('Bearer (a secret of the webhook)');
  expect(JSON.stringify(await house.sql('SELECT a::text FROM attempts a'))).not.toContain('planted');
});
