import { expect, test } from 'vitest';
import { cpuMs } from '../../../test/support/cpu.js';
import { findJsonFault } from '../../platform/index.js';
import { readDocument } from './document.js';

const JSON_TYPE = 'application/json';

test.each(['{}', '{"a":1.10,"b":[1e3]}', ' {"z":1,\n"a":"ü 🎉"}\r\n', '{"a":1,"a":2}', '{"big":12345678901234567890}'])('a JSON object is stored as the very text it came as: %j', (text) => {
  expect(readDocument(Buffer.from(text), JSON_TYPE)).toEqual({ json: JSON.parse(text), data: text });
  // Whatever its header says.
  for (const type of ['text/plain', '', undefined, 'nonsense', 'application/x-www-form-urlencoded']) expect(readDocument(Buffer.from(text), type).data).toBe(text);
});

test.each<[string, string | Buffer, string | undefined, object]>([
  ['nothing', '', JSON_TYPE, { content_type: JSON_TYPE, byte_count: 0, parse_error: 'is empty' }],
  ['nothing without a type', '', undefined, { content_type: null, byte_count: 0, parse_error: 'is empty' }],
  ['XML', '<a>b</a>', 'application/xml', { content_type: 'application/xml', byte_count: 8 }],
  ['half a JSON', '{"a":', JSON_TYPE, { content_type: JSON_TYPE, byte_count: 5, parse_error: 'is not JSON' }],
  ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), JSON_TYPE, { content_type: JSON_TYPE, byte_count: 3, parse_error: 'is not valid UTF-8' }],
  ['binary', Buffer.from([0, 1, 2, 255]), 'image/png', { content_type: 'image/png', byte_count: 4 }],
  ['an array', '[{"a":1.0}, 2]', JSON_TYPE, { body: [{ a: 1 }, 2] }],
  ['a text', '"hi"', JSON_TYPE, { body: 'hi' }], ['a number', '7', 'text/plain', { body: 7 }], ['null', 'null', JSON_TYPE, { body: null }],
  ['a byte order mark', '\uFEFF{"a":1}', JSON_TYPE, { a: 1 }],
  ['a form', 'a=1&b=x+y%C3%BC&a=2&a=3&=e', 'application/x-www-form-urlencoded; charset=utf-8', { a: ['1', '2', '3'], b: 'x yü', '': 'e' }],
  ['a form with NUL', 'a=%00', 'application/x-www-form-urlencoded', { content_type: 'application/x-www-form-urlencoded', byte_count: 5 }],
  ['a form that attacks', '__proto__=1', 'application/x-www-form-urlencoded', { content_type: 'application/x-www-form-urlencoded', byte_count: 11 }],
  ['NUL', '{"a":"\\u0000"}', JSON_TYPE, { content_type: JSON_TYPE, byte_count: 14, parse_error: expect.stringContaining('\\u0000') }],
  ['half a surrogate pair', '{"a":"\\ud800"}', JSON_TYPE, { content_type: JSON_TYPE, byte_count: 14, parse_error: expect.stringContaining('surrogate') }],
  ['__proto__', '{"__proto__":{}}', JSON_TYPE, { content_type: JSON_TYPE, byte_count: 16, parse_error: expect.stringContaining('__proto__') }],
  ['a huge exponent', '{"a":1e99999}', JSON_TYPE, { content_type: JSON_TYPE, byte_count: 13, parse_error: expect.stringContaining('exponent') }],
  ['10,000 levels', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, JSON_TYPE, { content_type: JSON_TYPE, byte_count: 20_000, parse_error: expect.stringContaining('deep') }],
])('%s is kept as bytes, and data says what it is', (_name, body, type, data) => {
  const bytes = Buffer.from(body as string);
  const document = readDocument(bytes, type);
  expect(JSON.parse(document.data)).toEqual(data);
  expect(document.body).toEqual(bytes);
  expect(document.contentType).toBe(type ?? '');
  expect(findJsonFault(document.data)).toBeUndefined();
});

test('1e999 is a number that can be stored as it stands', () => {
  expect(readDocument(Buffer.from('{"a":1e999}'), JSON_TYPE).data).toBe('{"a":1e999}');
});

test('what is JSON but cannot be stored is parsed all the same, so that its id is found', () => {
  expect(readDocument(Buffer.from('{"id":"evt_1","a":"\\u0000"}'), JSON_TYPE).json).toEqual({ id: 'evt_1', a: '\0' });
});

test('a form of many fields of the same name is read in a moment', () => {
  const started = cpuMs();
  readDocument(Buffer.from('a=1&'.repeat(100_000)), 'application/x-www-form-urlencoded');
  expect(cpuMs() - started).toBeLessThan(2_000);
});
