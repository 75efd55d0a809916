import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { findDestinationFault } from './destination.js';
import { AddressGuard, BlockedAddress } from './guard.js';

const guard = new AddressGuard();

test.each([
  '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254', '169.254.0.1', '169.254.169.254',
  '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.0.1', '198.18.0.1', '198.51.100.1', '203.0.113.1',
  '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255',
  '::', '::1', '::127.0.0.1', '::7f00:1', '4000::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '::ffff:169.254.169.254', '64:ff9b::127.0.0.1', '64:ff9b::8.8.8.8', '64:ff9b:1::7f00:1',
  '2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001:db8::1', '2002:7f00:1::', '2002:c0a8:1::1', 'fc00::1', 'fd00:ec2::254', 'fd20:ce::254', 'fe80::1', 'fec0::1', 'ff02::1', '100::1',
])('%s may not be reached', (address) => {
  expect(guard.judge(address)).toBeTypeOf('string');
});

test.each(['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.1', '192.167.255.255', '100.63.255.255', '223.255.255.254', '::ffff:8.8.8.8', '2606:4700:4700::1111', '2a00:1450:4001:81b::200e'])(
  '%s is public and may be reached', (address) => {
    expect(guard.judge(address)).toBeUndefined();
  });

test.each(['', 'localhost', '127.0.0.1.', '999.1.1.1', 'example.com'])('%j is not an address and is refused as such', (text) => {
  expect(new AddressGuard('true').judge(text)).toBeTypeOf('string');
});

// Every spelling that the URL parser makes an address of.
test.each([
  'http://127.0.0.1/', 'http://127.1/', 'http://0x7f.1/', 'http://0x7f000001/', 'http://2130706433/', 'http://0177.0.0.1/', 'http://017700000001/', 'http://0/', 'http://127.0.0.1:8080/',
  'http://１２７.０.０.１/', 'http://127。0。0。1/', 'http://①②⑦.0.0.1/', 'http://%31%32%37.0.0.1/', 'http://[::1]/', 'http://[::]/', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://[::127.0.0.1]/',
  'http://[64:ff9b::7f00:1]/', 'http://[2002:7f00:1::]/', 'http://[fe80::1]/', 'http://[fd00:ec2::254]/', 'http://169.254.169.254/latest/meta-data', 'http://2852039166/', 'http://0xa9fea9fe/', 'http://100.100.100.200/',
  'http://192.0.0.192/', 'http://10.1/', 'http://192.168.257/', 'http://localhost/', 'http://LOCALHOST:3000/', 'https://127.1/',
])('%s is refused as a destination', async (url) => {
  expect(await findDestinationFault(url, guard)).toMatch(/address, which outgoing requests may not reach/);
});

test.each([
  ['ftp://example.com/', /must start with/], ['file:///etc/passwd', /must start with/], ['javascript:alert(1)', /must start with/], ['//example.com', /not an absolute/], ['example.com/hook', /not an absolute/], ['', /not an absolute/],
  ['http://', /not an absolute/], ['http://user@8.8.8.8/', /user name/], ['http://user:pw@8.8.8.8/', /user name/], ['http://8.8.8.8/#part', /fragment/], ['http://example.com./', /dot/],
  ['http://8.8.8.8/\r\nx', /control/], ['http://8.8.8.8/a b', /space/], [' http://8.8.8.8/', /space/], ['http://exa\tmple.com/', /control/], ['http://999.1.1.1/', /not an absolute/], ['http://8.8.8.8:99999/', /not an absolute/],
])('%j is no destination', async (url, words) => {
  expect(await findDestinationFault(url, guard)).toMatch(words);
});

test.each(['http://8.8.8.8/', 'https://8.8.8.8:8443/a?b=c', 'https://[2606:4700:4700::1111]/hook', 'https://no-such-name.invalid/later'])('%s is a destination', async (url) => {
  expect(await findDestinationFault(url, guard)).toBeUndefined();
});

test('`true` opens loopback and private ranges, in every spelling', () => {
  const open = new AddressGuard('true');
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', 'fd12:3456::1', '8.8.8.8']) expect(open.judge(address), address).toBeUndefined();
});

test('`true` never opens link-local, metadata or wrapped addresses', () => {
  const open = new AddressGuard('true');
  for (const address of ['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1', 'fec0::1', 'fd00:ec2::254', 'fd20:ce::254', '100.100.100.200', '192.0.0.192', '0.0.0.0', '::', '::7f00:1', '::169.254.169.254', '64:ff9b::7f00:1', '2002:7f00:1::', '224.0.0.1', '255.255.255.255']) {
    expect(open.judge(address), address).toBeTypeOf('string');
  }
});

test('a list of ranges opens exactly those', () => {
  const listed = new AddressGuard('10.1.0.0/16, fd00:1::/32');
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00:1::5']) expect(listed.judge(address), address).toBeUndefined();
  for (const address of ['10.2.0.1', '127.0.0.1', 'fd00:2::5', '::1']) expect(listed.judge(address), address).toBeTypeOf('string');
});

test.each(['', 'false'])('%j opens nothing', (exception) => {
  expect(new AddressGuard(exception).judge('127.0.0.1')).toBeTypeOf('string');
});

test.each(['yes', '10.0.0.0', '10.0.0.0/33', 'example.com/8'])('%j is not a list of ranges and is refused', (exception) => {
  expect(() => new AddressGuard(exception)).toThrow();
});

test('the lookup of a name fails when any of its addresses is blocked, and answers the addresses it judged', async () => {
  const lookup = promisify((host: string, given: AddressGuard, done: (error: Error | null, answer?: unknown) => void) => given.lookup(host, { all: true }, done as never));
  await expect(lookup('localhost', guard)).rejects.toBeInstanceOf(BlockedAddress);
  expect(await lookup('localhost', new AddressGuard('true'))).toContainEqual(expect.objectContaining({ address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) }));
  await expect(lookup('no-such-name.invalid', guard)).rejects.toMatchObject({ code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
});
