import { expect, test, vi } from 'vitest';
import { envelopeOf } from '../../events/index.js';
import { ShapeFault } from './message.js';
import { type Format, type FormatOptions, readForm } from './options.js';
import { shapeOf } from './shape.js';

const DATA = '{ "amount" : 143227.763678187615017991050,\n"id":9007199254740993, "list":[1.0,2.50] }';
const MESSAGE = { event_id: 'evt-1', event_type: 'cost.report_ready', occurred_at: new Date(Date.UTC(2026, 10, 22)), data: DATA, metadata: '{}' };
const shaped = (format: Format, options: FormatOptions = {}, more: object = {}) => shapeOf({ format, options })({ ...MESSAGE, ...more });

test('lakehook is the envelope, byte for byte', () => {
  expect(shaped('lakehook')).toEqual({ contentType: 'application/json', body: Buffer.from(envelopeOf(MESSAGE)) });
});

test('cloudevents is a structured CloudEvent 1.0 with the data as it was published', () => {
  const { body, contentType } = shaped('cloudevents');
  expect(contentType).toBe('application/cloudevents+json');
  expect(body.toString().endsWith(`"data":${DATA}}`)).toBe(true);
  const { data: _data, ...attributes } = JSON.parse(body.toString());
  expect(attributes).toEqual({ specversion: '1.0', id: 'evt-1', source: '/lakehook', type: 'cost.report_ready', time: '2026-11-22T00:00:00.000Z', datacontenttype: 'application/json' });
  expect(JSON.parse(shaped('cloudevents', { source: 'https://example.com/"x"' }).body.toString()).source).toBe('https://example.com/"x"');
});

test('cloudevents carries metadata as the text of an extension, without characters an attribute may not hold', () => {
  const { metadata, data } = JSON.parse(shaped('cloudevents', {}, { metadata: '{\r\n\t"a": "x\u0085\uffff\\n",\n"n": 1.50}' }).body.toString());
  expect(metadata).toBe('{ "a": "x\\u0085\\uffff\\n", "n": 1.50}');
  expect(JSON.parse(metadata)).toEqual({ a: 'x\u0085\uffff\n', n: 1.5 });
  expect(data.list).toEqual([1, 2.5]);
});

test('lakehook and cloudevents do not parse', () => {
  const parse = vi.spyOn(JSON, 'parse');
  try {
    const odd = { data: 'not json at all', metadata: '{"a":1}' };
    for (const format of ['lakehook', 'cloudevents'] as const) expect(shaped(format, {}, odd).body.toString()).toContain('not json at all');
    expect(parse).not.toHaveBeenCalled();
  } finally {
    parse.mockRestore();
  }
});

test.each([
  [{}, 'application/json'], [{ content_type: 'text/plain' }, 'text/plain; charset=utf-8'], [{ content_type: 'text/plain;charset=UTF-8' }, 'text/plain;charset=UTF-8'], [{ content_type: 'application/vnd.acme+json' }, 'application/vnd.acme+json'],
])('a template with %j is sent as %s', (options, contentType) => expect(shaped('template', { template: '{}', ...options }).contentType).toBe(contentType));

test('whatever fails in rendering is a fault of the message, in words', () => {
  expect(() => shaped('slack', {}, { occurred_at: new Date(Number.NaN) })).toThrow(ShapeFault);
  expect(() => shaped('slack', {}, { occurred_at: new Date(Number.NaN) })).toThrow('could not be rendered as slack');
});

const KEY = 'R0123456789abcdefR0123456789abcd';
test.each([
  [{}, undefined, { format: 'lakehook', options: {} }],
  [{ format: 'slack' }, undefined, { format: 'slack', options: {} }],
  [{ format: 'template', format_options: { template: 'x', content_type: 'text/plain; charset=utf-8' } }, undefined, { format: 'template', options: { template: 'x', content_type: 'text/plain; charset=utf-8' } }],
  [{ format: 'pagerduty', format_options: { routing_key: '********', severity: 'info' } }, { routing_key: KEY }, { format: 'pagerduty', options: { routing_key: KEY, severity: 'info' } }],
  [{ format_options: { routing_key: '********' } }, { routing_key: KEY, severity: 'info' }, { format: 'pagerduty', options: { routing_key: KEY } }],
  [{ format: 'pagerduty' }, { routing_key: KEY }, { format: 'pagerduty', options: { routing_key: KEY } }],
  [{ format: 'discord' }, { routing_key: KEY, link_url: 'https://x.example' }, { format: 'discord', options: {} }],
])('%j over a pagerduty of %j reads as %j', (given, stored, expected) => expect(readForm(given, stored && { format: 'pagerduty', options: stored })).toEqual(expected));

test.each<[given: object, pointer: string, words: string]>([
  [{ format: 'xml' }, '/format', 'must be one of'], [{ format: 'constructor' }, '/format', 'must be one of'],
  [{ format: 'lakehook', format_options: { template: 'x' } }, '/format_options/template', 'is not an option of the format lakehook'],
  [{ format: 'slack', format_options: { 'a/b~c': 1 } }, '/format_options/a~1b~0c', 'is not an option'], [{ format: 'slack', format_options: { constructor: 'x' } }, '/format_options/constructor', 'is not an option'],
  [{ format: 'slack', format_options: { link_url: 5 } }, '/format_options/link_url', 'must be a string'],
  [{ format: 'slack', format_options: { link_url: 'javascript:alert(1)' } }, '/format_options/link_url', 'http or https'], [{ format: 'slack', format_options: { link_url: '/x' } }, '/format_options/link_url', 'http or https'],
  [{ format: 'slack', format_options: { link_url: `https://x.example/${'a'.repeat(1_000)}` } }, '/format_options/link_url', 'at most 1000'],
  [{ format: 'pagerduty' }, '/format_options/routing_key', 'is required'], [{ format: 'pagerduty', format_options: { routing_key: 'short' } }, '/format_options/routing_key', '32 letters'],
  [{ format: 'pagerduty', format_options: { routing_key: '********' } }, '/format_options/routing_key', 'none is stored'],
  [{ format: 'pagerduty', format_options: { routing_key: KEY, severity: 'high' } }, '/format_options/severity', 'one of critical'],
  [{ format: 'template' }, '/format_options/template', 'is required'], [{ format: 'template', format_options: { template: '' } }, '/format_options/template', '1 to 32768'], [{ format: 'template', format_options: { template: 'x'.repeat(32_769) } }, '/format_options/template', '1 to 32768'],
  ...['text', 'text/plain\r\nx: y', 'text/plain\r\n ;charset=utf-8', 'text/plain;\u00a0charset=utf-8', 'multipart/form-data; boundary=x', 'text/plain; charset=latin1', 'text/plain;', ' text/plain'].map((content_type) => [{ format: 'template', format_options: { template: 'x', content_type } }, '/format_options/content_type', 'must'] as [object, string, string]),
  [{ format: 'cloudevents', format_options: { source: 'not a uri' } }, '/format_options/source', 'URI reference'], [{ format: 'cloudevents', format_options: { source: '' } }, '/format_options/source', '1 to 255'],
])('%j is refused at %s: %s', (given, pointer, words) => {
  expect(readForm(given)).toEqual([{ pointer, detail: expect.stringContaining(words) }]);
});
