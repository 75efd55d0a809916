import { expect, test } from 'vitest';
import { parseJson, Problem } from '../platform/index.js';
import { MAX_BATCH, readPublish } from './publish.js';

function read(text: string) {
  const { batch, events } = readPublish(text, JSON.parse(text) as unknown);
  return { batch, events: [...events] };
}

/** The pointers of a refusal; an accepted body has none. */
function pointersOf(text: string): string[] {
  try {
    const { events } = read(text);
    return events.flatMap((event) => ('faults' in event ? event.faults.map(({ pointer }) => pointer) : []));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.extra.errors!.map(({ pointer }) => pointer);
  }
}

test('a whole event is read with the exact text of data and metadata', () => {
  expect(read('{"event_type":"a.b","data": {"z":1.0, "a":[ ]} ,"metadata":{"k" : "v"},"event_id":"e:1","timestamp":"2026-01-31T12:00:00.5+02:00"}')).toEqual({
    batch: false,
    events: [{ eventType: 'a.b', eventId: 'e:1', occurredAt: Date.UTC(2026, 0, 31, 10, 0, 0, 500), data: '{"z":1.0, "a":[ ]}', metadata: '{"k" : "v"}' }],
  });
});

test('what may be left out is left out', () => {
  expect(read('{"event_type":"a","data":{}}').events).toEqual([{ eventType: 'a', eventId: undefined, occurredAt: undefined, data: '{}', metadata: '{}' }]);
});

test('a member given twice counts with its last value, as in every JSON parser', () => {
  expect(read('{"event_type":"a","data":{"x":1},"data":{"x":2.0}}').events).toEqual([expect.objectContaining({ data: '{"x":2.0}' })]);
});

test('the members of a batch keep their order, and a faulty one stands in its place', () => {
  const { batch, events } = read('{"events":[{"event_type":"a","data":{"n": 1}}, {"event_type":"a"}, 7, {"event_type":"b","data":{"n":2 }}]}');
  expect(batch).toBe(true);
  expect(events).toEqual([
    expect.objectContaining({ eventType: 'a', data: '{"n": 1}' }), { faults: [expect.objectContaining({ pointer: '/data' })] },
    { faults: [expect.objectContaining({ pointer: '' })] }, expect.objectContaining({ eventType: 'b', data: '{"n":2 }' }),
  ]);
});

test.each<[text: string, pointers: string[]]>([
  ['[]', ['']], ['null', ['']], ['"x"', ['']], ['7', ['']],
  ['{}', ['/event_type', '/data']],
  ['{"event_type":"","data":{}}', ['/event_type']], ['{"event_type":"a b","data":{}}', ['/event_type']], ['{"event_type":"*","data":{}}', ['/event_type']],
  ['{"event_type":".a","data":{}}', ['/event_type']], ['{"event_type":"ä","data":{}}', ['/event_type']], ['{"event_type":"a\\n","data":{}}', ['/event_type']], ['{"event_type":7,"data":{}}', ['/event_type']], ['{"event_type":null,"data":{}}', ['/event_type']],
  [`{"event_type":"${'a'.repeat(256)}","data":{}}`, ['/event_type']],
  ['{"event_type":"a","data":[]}', ['/data']], ['{"event_type":"a","data":null}', ['/data']], ['{"event_type":"a","data":"{}"}', ['/data']],
  ['{"event_type":"a","data":{},"metadata":[]}', ['/metadata']], ['{"event_type":"a","data":{},"metadata":null}', ['/metadata']],
  ['{"event_type":"a","data":{},"event_id":""}', ['/event_id']], ['{"event_type":"a","data":{},"event_id":"a b"}', ['/event_id']], ['{"event_type":"a","data":{},"event_id":5}', ['/event_id']],
  ['{"event_type":"a","data":{},"event_id":null}', ['/event_id']], [`{"event_type":"a","data":{},"event_id":"${'a'.repeat(201)}"}`, ['/event_id']], ['{"event_type":"a","data":{},"event_id":"../x"}', ['/event_id']],
  ['{"event_type":"a","data":{},"more":1,"e~v/e":2}', ['/more', '/e~0v~1e']],
  ['{"event_type":"a","data":{"x":["\\u0000"]}}', ['/data/x/0']], ['{"event_type":"a","data":{"__proto__":1}}', ['/data']], ['{"event_type":"a","data":{"x":"\\ud800"}}', ['/data/x']],
  ['{"events":{}}', ['/events']], ['{"events":null}', ['/events']], ['{"events":[]}', ['/events']], ['{"events":[],"event_type":"a"}', ['/event_type']],
  [`{"events":[${'{},'.repeat(MAX_BATCH)}{}]}`, ['/events']],
])('%.60s is refused at %j', (text, pointers) => {
  expect(pointersOf(text)).toEqual(pointers);
});

test.each([
  'yesterday', '2026-01-31', '2026-01-31T12:00:00', '2026-02-30T12:00:00Z', '2025-02-29T12:00:00Z', '2026-13-01T12:00:00Z', '2026-01-01T24:00:01Z', '2026-01-01T23:59:60Z', '1969-12-31T23:59:59Z',
  '2026-01-31T12:00:00+99:00', '2026-01-31T12:00:00Z ', '20260131T120000Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59-01:00', 1_700_000_000, null,
])('the time %j is refused', (timestamp) => {
  expect(pointersOf(JSON.stringify({ event_type: 'a', data: {}, timestamp }))).toEqual(['/timestamp']);
});

test.each<[string, number]>([
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)], ['2026-01-31t12:00:00z', Date.UTC(2026, 0, 31, 12)], ['2026-01-31 12:00:00Z', Date.UTC(2026, 0, 31, 12)],
  ['2026-01-31T12:00:00.123456789Z', Date.UTC(2026, 0, 31, 12, 0, 0, 123)], ['2026-01-31T00:30:00+05:30', Date.UTC(2026, 0, 30, 19)], ['9999-12-31T23:59:59Z', 253_402_300_799_000],
])('the time %s is read', (timestamp, ms) => {
  expect(read(JSON.stringify({ event_type: 'a', data: {}, timestamp })).events).toEqual([expect.objectContaining({ occurredAt: ms })]);
});

test.each(['a', 'cost.report_ready', 'com.example/thing:created-v2', 'A'.repeat(255)])('%.30s is an event type', (event_type) => {
  expect(pointersOf(JSON.stringify({ event_type, data: {} }))).toEqual([]);
});

/** What becomes of a body that is parsed before, or, long, as its members are asked for. */
function outcomeOf(text: string, parsed: boolean): unknown {
  try {
    const { batch, events } = readPublish(text, parsed ? parseJson(text) : undefined);
    return { batch, events: [...events] };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { code: error.code, detail: error.detail, errors: error.extra.errors };
  }
}

const PLAIN = '{"events":[{"event_type":"a","data":{"n": 1,"t":"]}\\"{["}}, {"event_type":"a"}, 7 ,{"event_type":"b","data":{"n":[2e3,null]}}]}';

test.each([
  PLAIN, ` ${PLAIN}\n`, '{"event_type":"a","data":{}}', '{"events":[]}', '{"events":[{}]', '{"events":[{},]}', '{"events":[{}]}}', '{"events":[{}],"more":1}', '{"events":[{}] x}', '{"events":["', '{"events":[{"a":"', '{"events":[1 2]}', '{"events":[tru]}',
  '{"\\u0065vents":[{}]}', '{"events":{}}', '', '[', '\uFEFF{"events":[{}]}',
  `{"events":[${'{},'.repeat(MAX_BATCH - 1)}{}]}`, `{"events":[${'{},'.repeat(MAX_BATCH)}{}]}`, `{"events":[${'{},'.repeat(MAX_BATCH)}x]}`,
])('a long body is read as a short one is: %.60s', (text) => {
  expect(outcomeOf(text, false)).toEqual(outcomeOf(text, true));
});

test('whatever is changed in a batch, a long body is read as a short one is', () => {
  const odd = [...'{}[],:"\\ 0x\n'];
  for (let at = 0; at <= PLAIN.length; at++) {
    for (const text of [PLAIN.slice(0, at) + PLAIN.slice(at + 1), PLAIN.slice(0, at), ...odd.flatMap((char) => [PLAIN.slice(0, at) + char + PLAIN.slice(at), PLAIN.slice(0, at) + char + PLAIN.slice(at + 1)])]) {
      expect(outcomeOf(text, false), text).toEqual(outcomeOf(text, true));
    }
  }
});

test('a long body that gives its events twice is refused', () => {
  expect(outcomeOf('{"events":[{}],"events":[{}]}', false)).toMatchObject({ errors: [{ pointer: '/events', detail: 'is given twice' }] });
});
