import { expect, test } from 'vitest';
import { cpuMs } from '../../../test/support/cpu.js';
import type { Message } from './message.js';
import { shapeOf } from './shape.js';

const message = (data: string, more: Partial<Message> = {}): Message => ({ event_id: 'evt-1', event_type: 'order.created', occurred_at: new Date(Date.UTC(2026, 10, 22)), data, metadata: '{"env":"prod"}', ...more });
const render = (template: string, data = '{}', content_type?: string): string => shapeOf({ format: 'template', options: { template, content_type } })(message(data)).body.toString();
const text = (template: string, data?: string): string => render(template, data, 'text/plain');

test.each([
  ['{{ event_id }} {{ event_type }} {{ timestamp }} {{ metadata.env }}', '{}', 'evt-1 order.created 2026-11-22T00:00:00.000Z prod'],
  ['{% for line in data.lines %}{{ line.sku | upcase }}{% unless forloop.last %}, {% endunless %}{% endfor %}', '{"lines":[{"sku":"a"},{"sku":"b"}]}', 'A, B'],
  ['{% if data.total > 10 %}big{% else %}small{% endif %}', '{"total":12}', 'big'],
  ['{{ data.total | times: 2 | round: 1 }}', '{"total":1.55}', '3.1'],
  ['{{ data.missing | default: "none" }}[{{ data.missing.deeper }}]', '{}', 'none[]'],
  ['{{ timestamp | date: "%d.%m.%Y %H:%M" }}', '{}', '22.11.2026 00:00'],
  ['{{ data.id }} {{ data.amount }}', '{"id":9007199254740993,"amount":143227.763678187615017991050}', '9007199254740993 143227.763678187615017991050'],
  ['{% if data.amount > 143227 %}{{ data.amount | plus: 1 | floor }}{% endif %}', '{"amount":143227.763678187615017991050}', '143228'],
  ['{{ data.list | map: "a" | sort | reverse | join: "-" }} {{ data.list | where: "a", 2 | size }} {% for i in (1..3) %}{{ i }}{% endfor %}', '{"list":[{"a":1},{"a":3},{"a":2}]}', '3-2-1 1 123'],
  ['{{ data.id | json }} {{ data.list | json }}', '{"id":9007199254740993,"list":[1.00000000000000000001,2]}', '9007199254740993 [1.00000000000000000001,2]'],
  ['{{ data | json }}', '{ "b": 1.50, "a": 9007199254740993 }', '{ "b": 1.50, "a": 9007199254740993 }'],
  ['{{ data.nothing | json }}{{ data.q | json }}', '{"q":"\\"<&"}', 'null"\\"<&"'],
])('%s of %s makes %s', (template, data, expected) => expect(text(template, data)).toBe(expected));

test('in JSON a value inside quotes cannot end its string', () => {
  const hostile = JSON.stringify({ name: '","admin":true,"x":"\\\n\u2028' });
  expect(JSON.parse(render('{"name": "{{ data.name }}", "again": {{ data.name | json }}}', hostile))).toEqual({ name: JSON.parse(hostile).name, again: JSON.parse(hostile).name });
  expect(text('{{ data.name }}', '{"name":"a\\"b"}')).toBe('a"b');
  // Nor when it is published as something else than text, or comes out of a tag.
  const { name } = JSON.parse(hostile) as { name: string };
  for (const [template, data] of [['{{ data.name }}', { name: [[name], null] }], ['{% echo data.name %}', { name: [name] }], ['{% for pair in data.name %}{{ pair }}{% endfor %}', { name: { [name]: '' } }], ['{{ data.name | default: "" }}', { name: [name] }]] as const) {
    expect(JSON.parse(render(`{"name": "${template}"}`, JSON.stringify(data))), template).toEqual({ name });
  }
  expect(render('{"n": {{ data.n }}, "id": {{ data.id }}, "b": {{ data.b }}, "list": "{{ data.list }}", "o": "{{ data.o }}"}', '{"n":1.5,"id":9007199254740993,"b":true,"list":[1,9007199254740993,"x"],"o":{"a":1}}')).toBe('{"n": 1.5, "id": 9007199254740993, "b": true, "list": "19007199254740993x", "o": "[object Object]"}');
});

test.each([
  ['{{ data.a', 'line 1, column 1'], ['x\n  {% if data.a %}', 'line 2, column 3'], ['{% nonsense %}', 'tag "nonsense" not found'], ['\n{{ data.a | nonsense }}', 'line 2, column 1: undefined filter: nonsense'],
  ['{% include "/etc/passwd" %}', 'tag "include" not found'], ['{% render "x" %}', 'tag "render" not found'], ['{% layout "x" %}', 'tag "layout" not found'], ['{% block x %}{% endblock %}', 'tag "block" not found'],
  ['{{ data.list | sample }}', 'undefined filter: sample'], ['{{ data.list | where_exp: "x", "x" }}', 'undefined filter: where_exp'], ['{{ data | inspect }}', 'undefined filter: inspect'],
  ['{{ data | valueOf }}', 'undefined filter: valueOf'], ['{{ data | constructor }}', 'undefined filter: constructor'], ['{% constructor %}', 'tag "constructor" not found'],
  ['{{ "now" | date: "%s" }}', 'use timestamp'], ['{{ "today" | date: "%s" }}', 'use timestamp'],
])('%j is refused with %j', (template, words) => expect(() => text(template)).toThrow(words));

test('a template sees what was published and nothing of ours', () => {
  const probes = ['data.constructor', 'data.__proto__', 'data.toString', 'event_id.constructor', 'published', 'message', 'environments', 'this', 'process', 'globalThis', 'data.amount.source', 'data.amount.toJSON', 'data.list.constructor', 'data["constructor"]["constructor"]'];
  for (const probe of probes) expect(text(`[{{ ${probe} }}]`, '{"amount":143227.763678187615017991050,"list":[1]}'), probe).toBe('[]');
  expect(text('{% for pair in data %}{{ pair[0] }}={{ pair[1] }};{% endfor %}', '{"constructor":"own","a":1}')).toBe('constructor=own;a=1;');
});

test.each([
  ['an endless loop', '{% for a in (1..10000) %}{% for b in (1..10000) %}{{ a }}{% endfor %}{% endfor %}', 'limit exceeded'],
  ['a range without end', '{% for a in (1..99999999999) %}{% endfor %}', 'limit exceeded'],
  ['text that doubles', `{% assign a = "xxxxxxxxxxxxxxxx" %}${'{% assign a = a | append: a %}'.repeat(40)}{{ a }}`, 'limit exceeded'],
  ['captured text that doubles', `{% assign a = "x" %}${'{% capture a %}{{ a }}{{ a }}{% endcapture %}'.repeat(27)}{% if a contains "y" %}{% endif %}`, 'limit exceeded'],
  ['raw captured text that doubles', `{% assign a = "x" %}${'{% capture a %}{{ a | raw }}{{ a | raw }}{% endcapture %}'.repeat(27)}{% if a contains "y" %}{% endif %}`, 'limit exceeded'],
  ['a huge output', `{% assign a = data.big | append: data.big %}${'{{ a }}'.repeat(10)}`, 'more than 8 Mi characters'],
  ['a range of millions that is left at once', '{% for a in (1..30000000) %}{% break %}{% endfor %}', 'limit exceeded'],
  ['many ranges', '{% for a in (1..40000) %}{% break %}{% endfor %}{% for a in (1..40000) %}{% break %}{% endfor %}{% for a in (1..40000) %}{% break %}{% endfor %}', 'limit exceeded'],
  ['a list too long to sort', '{{ data.list | sort | size }}', 'sort takes lists of at most 10000 elements'],
  ['a list too long to join it to', '{{ event_id | concat: data.list | size }}', 'concat takes lists of at most 10000 elements'],
  ['a chain of filters', `{{ data.big | escape${' | upcase | downcase'.repeat(1_500)} | size }}`, 'limit exceeded'],
  ['a date of very many parts', '{{ timestamp | date: data.format }}', 'date takes a format of at most 200 characters'],
  ['a padded date', '{{ timestamp | date: "%999999999d" }}', 'limit exceeded'],
])('%s is stopped in time', (_what, template, words) => {
  const data = JSON.stringify({ big: 'b'.repeat(500_000), list: Array(500_000).fill(1), format: '%c'.repeat(500_000) });
  const started = cpuMs();
  expect(() => text(template, data)).toThrow(words);
  expect(cpuMs() - started).toBeLessThan(500);
});

test('output that is not JSON fails, and only the quote beside the sentence shows it', () => {
  for (const [template, quote] of [['{"a": {{ data.missing }}}', '"{"a": }"'], ['{"a": 1', 'position 7'], ['', 'end'], ['{{ data.a }}', 'planted']] as const) {
    expect(() => render(template, '{"a":"planted"}')).toThrow(expect.objectContaining({
      message: 'The template did not make JSON, as application/json promises. Write values with the json filter: {{ data.amount | json }}.', quote: expect.stringContaining(quote),
    }));
  }
  expect(() => render('x', '{}', 'application/vnd.acme+json; v=1')).toThrow('did not make JSON');
  expect(render('x', '{}', 'application/jsonish')).toBe('x');
});

test('the same bytes come out each time, however long after', () => {
  const shape = shapeOf({ format: 'template', options: { template: '{% assign n = data.n | plus: 1 %}{{ n }} {% for a in data.l limit: 1 %}{{ a }}{% endfor %}{% for a in data.l offset: continue %}{{ a }}{% endfor %}', content_type: 'text/plain' } });
  const once = shape(message('{"n":1,"l":[1,2,3]}')).body;
  expect(once.toString()).toBe('2 123');
  expect(shape(message('{"n":1,"l":[1,2,3]}')).body).toEqual(once);
});

test('hostile templates are parsed or refused quickly', () => {
  for (const template of ['{{'.repeat(16_000), '{%'.repeat(16_000), '{% if a %}'.repeat(3_000), '{{ a.'.repeat(6_000), `{{ ${'a['.repeat(10_000)} }}`, `{{ ${'(1..'.repeat(8_000)} }}`, `{{ a | ${'append: '.repeat(4_000)} }}`, '{{ "'.repeat(8_000), ' '.repeat(32_000), '{% raw %}'.repeat(3_000), '{% liquid\n'.repeat(3_000), '{% comment %}'.repeat(2_500), `{{ a${'.a'.repeat(16_000)} }}`]) {
    const started = cpuMs();
    try {
      text(template);
    } catch {}
    expect(cpuMs() - started, template.slice(0, 20)).toBeLessThan(1_000);
  }
});
