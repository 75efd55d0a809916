import { expect, test } from 'vitest';
import { PROVIDERS } from '../providers/providers.js';

const { findOptionFaults, verify } = PROVIDERS.get('hmac')!;
const faultsOf = (options: Record<string, unknown>): Record<string, string> => Object.fromEntries(findOptionFaults!(options).map(({ pointer, detail }) => [pointer, detail]));

test.each<[string, Record<string, unknown>]>([
  ['the least', { header: 'X-Signature' }],
  ['everything', {
    header: 'X-Signature', algorithm: 'sha512', encoding: 'base64url', prefix: 'v1=', signed: '{id}.{timestamp}.{url}.{header:X-Kind}.{body}', timestamp_header: 'X-Time', timestamp_unit: 'rfc3339', id_header: 'X-Id',
    id_path: 'data.id', type_header: 'X-Type', type_path: 'type', event_type: 'order.paid', time_path: 'at', subject_path: 'data.items.0.id', correlation_paths: ['a', String.raw`labels.app\.io`],
  }],
])('%s is taken', (_, options) => {
  expect(faultsOf(options)).toEqual({});
});

test.each<[Record<string, unknown>, string, RegExp]>([
  [{}, '/header', /needed/],
  [{ header: 'a b' }, '/header', /name of a header/],
  [{ header: 7 }, '/header', /name of a header/],
  [{ header: '' }, '/header', /name of a header/],
  [{ header: 'x', algorithm: 'md5' }, '/algorithm', /one of sha256, sha1, sha512/],
  [{ header: 'x', algorithm: ['sha256'] }, '/algorithm', /one of/],
  [{ header: 'x', encoding: 'binary' }, '/encoding', /hex, base64, base64url/],
  [{ header: 'x', prefix: 'ü' }, '/prefix', /ASCII/],
  [{ header: 'x', prefix: 'x'.repeat(65) }, '/prefix', /64/],
  [{ header: 'x', signed: '{timestamp}' }, '/signed', /must hold \{body\}/],
  [{ header: 'x', signed: null }, '/signed', /ASCII/],
  [{ header: 'x', signed: '{body}{when}' }, '/signed', /\{when\}.*\{timestamp\}/],
  [{ header: 'x', signed: '{body}{header:a b}' }, '/signed', /\{header:a b\}/],
  [{ header: 'x', signed: '{body' }, '/signed', /brace/],
  [{ header: 'x', signed: '{body}}' }, '/signed', /brace/],
  [{ header: 'x', signed: '{timestamp}.{body}' }, '/timestamp_header', /needed/],
  [{ header: 'x', signed: '{id}.{body}' }, '/id_header', /needed/],
  [{ header: 'x', timestamp_header: 'x-time' }, '/timestamp_header', /not signed/],
  [{ header: 'x', timestamp_unit: 'days' }, '/timestamp_unit', /seconds, milliseconds, rfc3339/],
  [{ header: 'x', id_path: 'a..b' }, '/id_path', /path/],
  [{ header: 'x', event_type: 'a b' }, '/event_type', /255 characters/],
  [{ header: 'x', correlation_paths: 'a' }, '/correlation_paths', /16 paths/],
  [{ header: 'x', correlation_paths: ['a', ''] }, '/correlation_paths', /16 paths/],
  [{ header: 'x', 'a/b': 1 }, '/a~1b', /not known/],
  [JSON.parse('{"header":"x","__proto__":1,"constructor":1}') as Record<string, unknown>, '/constructor', /not known/],
])('%j is refused at %s', (options, pointer, detail) => {
  expect(faultsOf(options)[pointer]).toMatch(detail);
});

const pointersOf = (name: string, options: Record<string, unknown>) => PROVIDERS.get(name)!.findOptionFaults!(options).map(({ pointer }) => pointer);

test('other providers know fewer options', () => {
  expect(pointersOf('basic', { header: 'x', id_path: 'id' })).toEqual(['/header']);
  expect(pointersOf('bearer', { header: 'x-token', algorithm: 'sha1' })).toEqual(['/algorithm']);
  expect(pointersOf('none', { signed: 'x', type_path: 'type' })).toEqual(['/signed']);
  expect(pointersOf('s3', { header: 'x y', id_path: 'id' })).toEqual(['/header', '/id_path']);
});

test('every header that is signed must be there, and one that cannot be read says so', () => {
  const options = { header: 'X-Sig', prefix: 'p=', signed: '{header:X-Kind}{id}{timestamp}{body}', id_header: 'X-Id', timestamp_header: 'X-Time', timestamp_unit: 'milliseconds' };
  const headers: Record<string, string> = { 'x-sig': 'p=00', 'x-kind': 'k', 'x-id': 'i', 'x-time': '1000' };
  const judge = (headers: Record<string, string>) => verify({ body: Buffer.alloc(0), headers, url: '' }, { secrets: ['s'], toleranceSeconds: 300, now: 1_000, options });
  expect(judge(headers)).toMatchObject({ reason: 'mismatch' });
  for (const name of Object.keys(headers)) {
    const { [name]: _, ...others } = headers;
    expect(judge(others)).toMatchObject({ reason: 'missing', detail: expect.stringMatching(new RegExp(name, 'i')) as string });
  }
  expect(judge({ ...headers, 'x-time': '1e3' })).toMatchObject({ reason: 'malformed', detail: 'X-Time is not in milliseconds' });
  expect(judge({ ...headers, 'x-sig': '00' })).toMatchObject({ reason: 'malformed', detail: 'X-Sig does not begin with p=' });
});
