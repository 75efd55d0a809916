import { expect, test } from 'vitest';
import { type GivenLocation, readLocation } from './location.js';

const BUCKET = { type: 's3', bucket: 'lake', region: 'eu-central-1' };
const NOTHING = { bucket: null, region: null, endpoint: null, path_style: null, server_side_encryption: null };

test.each<[GivenLocation, object]>([
  [BUCKET, { ...NOTHING, ...BUCKET, prefix: '', path_style: false }],
  [{ ...BUCKET, prefix: 'lakehook/prod/', path_style: true }, { ...NOTHING, ...BUCKET, prefix: 'lakehook/prod', path_style: true }],
  [{ type: 's3', bucket: 'lake', endpoint: 'https://minio.example.com' }, { ...NOTHING, type: 's3', bucket: 'lake', prefix: '', region: 'us-east-1', endpoint: 'https://minio.example.com', path_style: true }],
  [{ ...BUCKET, ...NOTHING, bucket: 'a.b-c', region: 'auto', endpoint: 'https://x.r2.cloudflarestorage.com', path_style: false }, { ...NOTHING, type: 's3', bucket: 'a.b-c', prefix: '', region: 'auto', endpoint: 'https://x.r2.cloudflarestorage.com', path_style: false }],
  [{ ...BUCKET, server_side_encryption: { type: 'AES256' } }, { server_side_encryption: { type: 'AES256' } }],
  [{ ...BUCKET, server_side_encryption: { type: 'aws:kms', key_id: 'arn:aws:kms:eu-central-1:111122223333:key/0-a' } }, { server_side_encryption: { type: 'aws:kms', key_id: 'arn:aws:kms:eu-central-1:111122223333:key/0-a' } }],
  [{ type: 'disk' }, { type: 'disk', prefix: '', ...NOTHING }],
  [{ type: 'disk', prefix: 'a/b', ...NOTHING }, { type: 'disk', prefix: 'a/b', ...NOTHING }],
])('%j is read as %j', (given, read) => {
  expect(readLocation(given)).toMatchObject(read);
});

test.each<[GivenLocation, ...string[]]>([
  ...['ab', 'a'.repeat(64), 'Lake', 'la_ke', '-lake', 'lake-', '.lake', 'la..ke', 'la.-ke', '192.168.0.1', 'lake/x', 'lake?x', 'la ke', '', 'lake\n', 'ünï', null, undefined, 5, [], {}].map((bucket): [GivenLocation, string] => [{ ...BUCKET, bucket }, '/bucket']),
  ...['../x', 'a/../b', '/etc', '//', 'a//b', '.', '.lakehook', 'a/.b', 'a\\b', 'a b', 'a*', 'a?', "a'b", 'a\0', 'a\n', 'ünï', '${x}', '%2e%2e', 'x'.repeat(101), `${'x/'.repeat(160)}x`, null, 5, []].flatMap((prefix): [GivenLocation, string][] => [[{ ...BUCKET, prefix }, '/prefix'], [{ type: 'disk', prefix }, '/prefix']]),
  ...['EU', 'eu.evil.com', 'x/#', '-x', 'eu-', '', 'x'.repeat(51), 'a@b', 5, []].map((region): [GivenLocation, string] => [{ ...BUCKET, region }, '/region']),
  [{ type: 's3', bucket: 'lake' }, '/region'], [{}, '/bucket', '/region'],
  ...['', 5, [], {}, 'https://x/?a=1', `https://x/${'x'.repeat(500)}`].map((endpoint): [GivenLocation, string] => [{ ...BUCKET, endpoint }, '/endpoint']),
  ...['yes', 1, []].map((path_style): [GivenLocation, string] => [{ ...BUCKET, path_style }, '/path_style']),
  ...[{}, { type: 'aes' }, { type: null }].map((server_side_encryption): [GivenLocation, string] => [{ ...BUCKET, server_side_encryption }, '/server_side_encryption/type']),
  ...['AES256', [], 5].map((server_side_encryption): [GivenLocation, string] => [{ ...BUCKET, server_side_encryption }, '/server_side_encryption']),
  ...['', 'a b', 'a\r\nb', 5, null].map((key_id): [GivenLocation, string] => [{ ...BUCKET, server_side_encryption: { type: 'aws:kms', key_id } }, '/server_side_encryption/key_id']),
  [{ ...BUCKET, server_side_encryption: { type: 'AES256', key_id: 'x', 'a/b': 1 } }, '/server_side_encryption/a~1b', '/server_side_encryption/key_id'],
  [{ ...BUCKET, type: 'disk', endpoint: 'https://x', path_style: false, server_side_encryption: {} }, '/bucket', '/region', '/endpoint', '/path_style', '/server_side_encryption'],
])('%j is refused at %s', (given, ...pointers) => {
  expect((readLocation(given) as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual(pointers);
});
