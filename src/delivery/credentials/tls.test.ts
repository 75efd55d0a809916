import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { issue } from '../../../test/support/certificates.js';
import { identityOf, readTls, type Tls } from './tls.js';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const root = issue({ name: 'Root', ca: true });
const intermediate = issue({ name: 'Intermediate', ca: true, by: root });
const leaf = issue({ name: 'client', by: intermediate });
const expired = issue({ name: 'late', by: root, until: new Date('2025-12-31T12:00:00Z') });
const early = issue({ name: 'early', by: root, from: new Date('2026-12-31T00:00:00Z') });
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }, publicKeyEncoding: { type: 'spki', format: 'pem' } }).privateKey;
const legacy = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }) as string;

test.each<[string, Tls]>([
  ['nothing', {}],
  ['a private authority', { ca_certificate: root.certificate }],
  ['several authorities', { ca_certificate: root.certificate + intermediate.certificate }],
  ['a client certificate', { client_certificate: leaf.certificate, client_key: leaf.key }],
  ['a chain, the leaf first', { client_certificate: leaf.certificate + intermediate.certificate + root.certificate, client_key: leaf.key, ca_certificate: root.certificate }],
])('%s is taken as it is', (_, tls) => {
  expect(readTls(tls, NOW)).toEqual(tls);
});

test('what stands around certificates is dropped', () => {
  expect(readTls({ ca_certificate: `Bag Attributes\n  friendlyName: x\n${root.certificate.replaceAll('\n', '\r\n')}\nthe end` }, NOW)).toEqual({ ca_certificate: root.certificate });
});

test.each<[string, unknown, string, RegExp]>([
  ['something else', 'pem', '/tls', /object/],
  ['an unknown field', { 'a/b': '' }, '/tls/a~1b', /not known/],
  ['a number', { ca_certificate: 1 }, '/tls/ca_certificate', /PEM text/],
  ['null', { client_key: null }, '/tls/client_key', /PEM text/],
  ['megabytes', { ca_certificate: root.certificate.repeat(1_000) }, '/tls/ca_certificate', /at most 65536 characters/],
  ['very many certificates', { ca_certificate: root.certificate.repeat(11) }, '/tls/ca_certificate', /at most 10 certificates/],
  ['a certificate without its key', { client_certificate: leaf.certificate }, '/tls/client_key', /needed with client_certificate/],
  ['a key without its certificate', { client_key: leaf.key }, '/tls/client_certificate', /needed with client_key/],
  ['no PEM', { client_certificate: 'MIIB', client_key: leaf.key }, '/tls/client_certificate', /holds no PEM certificate/],
  ['a broken certificate', { client_certificate: leaf.certificate.replace(/\n.{64}\n/, '\n'), client_key: leaf.key }, '/tls/client_certificate', /not a readable certificate/],
  ['a key where the certificate belongs', { client_certificate: leaf.certificate + leaf.key, client_key: leaf.key }, '/tls/client_certificate', /private key, which belongs in client_key/],
  ['a certificate where the key belongs', { client_certificate: leaf.certificate, client_key: leaf.certificate }, '/tls/client_key', /not a PEM private key/],
  ['the key of another', { client_certificate: leaf.certificate, client_key: root.key }, '/tls/client_key', /does not belong to client_certificate/],
  ['a key of another kind', { client_certificate: leaf.certificate, client_key: weak }, '/tls/client_key', /does not belong to client_certificate/],
  ['an encrypted key', { client_certificate: leaf.certificate, client_key: encrypted }, '/tls/client_key', /encrypted; send it without a passphrase/],
  ['an encrypted key of the old form', { client_certificate: leaf.certificate, client_key: legacy }, '/tls/client_key', /encrypted; send it without a passphrase/],
  ['an expired certificate', { client_certificate: expired.certificate, client_key: expired.key }, '/tls/client_certificate', /^expired on 2025-12-31T12:00:00.000Z$/],
  ['a certificate of the future', { client_certificate: early.certificate, client_key: early.key }, '/tls/client_certificate', /^is not valid before 2026-12-31T00:00:00.000Z$/],
  ['an expired one in the chain', { client_certificate: leaf.certificate + expired.certificate, client_key: leaf.key }, '/tls/client_certificate', /^certificate 2 expired on/],
  ['a chain with the leaf last', { client_certificate: intermediate.certificate + leaf.certificate, client_key: leaf.key }, '/tls/client_certificate', /certificate 2 did not issue certificate 1/],
  ['a chain with a gap', { client_certificate: leaf.certificate + root.certificate, client_key: leaf.key }, '/tls/client_certificate', /certificate 2 did not issue certificate 1/],
  ['an authority that is none', { ca_certificate: leaf.certificate }, '/tls/ca_certificate', /^is not that of an authority/],
  ['an authority that is none, among others', { ca_certificate: root.certificate + leaf.certificate }, '/tls/ca_certificate', /^certificate 2 is not that of an authority/],
])('%s is refused, at its place', (_, tls, pointer, detail) => {
  expect(readTls(tls, NOW)).toContainEqual({ pointer, detail: expect.stringMatching(detail) });
  expect(JSON.stringify(readTls(tls, NOW))).not.toMatch(/BEGIN [A-Z ]*PRIVATE/);
});

test('an identity belongs to one webhook and one set of material', () => {
  const tls: Tls = { client_certificate: leaf.certificate, client_key: leaf.key };
  const ids = [identityOf(tls, 'a'), identityOf(tls, 'b'), identityOf({ ...tls, ca_certificate: root.certificate }, 'a'), identityOf({ ca_certificate: root.certificate }, 'a')].map((identity) => identity!.id);
  expect(new Set(ids).size).toBe(4);
  expect(identityOf({ ...tls }, 'a')!.id).toBe(ids[0]);
  expect(identityOf({}, 'a')).toBeUndefined();
});
