import { expect, test } from 'vitest';
import { explain } from './dispatcher.js';

const failed = (code: string, message = 'words', more: object = {}): Error => Object.assign(new Error(message), { code, ...more });

test.each<[error: Error, errorClass: string, words: RegExp]>([
  [failed('ENOTFOUND'), 'dns', /does not resolve/], [failed('EAI_AGAIN'), 'dns', /right now/], [failed('EAI_FAIL'), 'dns', /EAI_FAIL/],
  [failed('ECONNREFUSED'), 'connect_refused', /nothing listens/], [failed('EHOSTUNREACH'), 'connect_refused', /host/], [failed('UND_ERR_CONNECT_TIMEOUT'), 'connect_timeout', /Connecting/],
  [failed('ETIMEDOUT', 'connect ETIMEDOUT', { syscall: 'connect' }), 'connect_timeout', /Connecting/], [failed('ETIMEDOUT', 'read ETIMEDOUT', { syscall: 'read' }), 'timeout', /silent/],
  [failed('ECONNRESET'), 'reset', /reset/], [failed('ECONNRESET', 'Client network socket disconnected before secure TLS connection was established'), 'tls', /handshake/],
  [failed('CERT_HAS_EXPIRED', 'certificate has expired'), 'tls', /certificate has expired/], [failed('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls', /ALTNAME/], [failed('DEPTH_ZERO_SELF_SIGNED_CERT'), 'tls', /SELF_SIGNED/], [failed('EPROTO'), 'tls', /TLS/],
  [failed('UND_ERR_HEADERS_OVERFLOW'), 'response_too_large', /headers/], [failed('HPE_HEADER_OVERFLOW'), 'response_too_large', /headers/], [failed('HPE_INVALID_CONSTANT', 'Expected HTTP/'), 'protocol', /not valid HTTP: Expected/],
  [failed('EMFILE'), 'local', /open files/], [failed('EADDRNOTAVAIL'), 'local', /port/], [failed('BLOCKED_ADDRESS', 'x is a loopback address'), 'blocked_address', /loopback/],
  [new AggregateError([failed('ECONNREFUSED'), failed('ENETUNREACH')]), 'connect_refused', /nothing listens/], [Object.assign(new Error('outer'), { cause: failed('ENOTFOUND') }), 'dns', /resolve/], [new Error('odd'), 'protocol', /^The exchange failed: odd$/],
])('%s is explained', (error, errorClass, words) => {
  expect(explain(error)).toEqual({ errorClass, error: expect.stringMatching(words) });
});
