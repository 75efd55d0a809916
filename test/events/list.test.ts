import { beforeAll, expect, test } from 'vitest';
import { givenTenant } from '../support/given.js';
import { type Api, useHouse } from '../support/house.js';

const house = useHouse();
interface Page { data: { event_id: string; event_type: string; recorded_at: string }[]; next_cursor: string | null }
const page = async (query: string, api: Api = house.api): Promise<Page> => (await api.get(`/v1/events?${query}`).expect(200)).body;
const idsOf = ({ data }: Page): string[] => data.map(({ event_id }) => event_id);

/** Follows the cursors to the end. */
async function walk(query: string, api: Api = house.api): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const next: Page = await page(`${query}${cursor && `&cursor=${cursor}`}`, api);
    ids.push(...idsOf(next));
    cursor = next.next_cursor;
  }
  return ids;
}

beforeAll(async () => {
  for (const [event_id, event_type, metadata] of [
    ['f1', 'filter.a', { region: 'eu', tier: 1, 'odd.key': 'x' }], ['f2', 'filter.b', { region: 'eu' }], ['f3', 'filter.a', { region: 'us', nested: { a: 1 } }], ['f4', 'filter.a', {}],
  ] as const) {
    await house.api.post('/v1/events').send({ event_id, event_type, data: {}, metadata }).expect(202);
    house.clock.advance(1_000);
  }
});

test.each([
  ['event_type=filter.a', ['f4', 'f3', 'f1']], ['event_type=filter.b', ['f2']], ['event_type=filter', []],
  ['metadata.region=eu', ['f2', 'f1']], ['metadata.region=eu&event_type=filter.a', ['f1']], ['metadata.region=eu&metadata.tier=1', ['f1']], ['metadata.region=asia', []], ['metadata.missing=x', []],
  ['metadata.odd.key=x', ['f1']], [`metadata.nested=${encodeURIComponent('{"a":1}')}`, ['f3']], [`metadata.region=${encodeURIComponent("eu' OR 'a'='a")}`, []],
  ['source_id=018f4e2a-0000-7abc-8def-0123456789ab', []],
])('%s finds %j, newest first', async (query, ids) => {
  expect(idsOf(await page(query)).filter((id) => id.startsWith('f'))).toEqual(ids);
});

test('from is inclusive and to is exclusive', async () => {
  const { recorded_at } = (await page('event_type=filter.b')).data[0]!;
  const at = encodeURIComponent(recorded_at);
  expect(idsOf(await page(`from=${at}&metadata.region=eu`))).toEqual(['f2']);
  expect(idsOf(await page(`to=${at}&metadata.region=eu`))).toEqual(['f1']);
  expect(idsOf(await page(`from=${at}&to=${at}`))).toEqual([]);
});

test('a time may be given in any zone', async () => {
  const { recorded_at } = (await page('event_type=filter.b')).data[0]!;
  const elsewhere = new Date(Date.parse(recorded_at) + 2 * 3_600_000).toISOString().replace('Z', '+02:00');
  expect(idsOf(await page(`from=${encodeURIComponent(elsewhere)}&metadata.region=eu`))).toEqual(['f2']);
});

test('paging shows every event once, also where many were recorded in the same millisecond', async () => {
  const api = house.as(await givenTenant(house));
  const published: string[] = [];
  for (let batch = 0; batch < 3; batch++) {
    const events = Array.from({ length: 23 }, (_, n) => ({ event_type: n % 2 ? 'odd' : 'even', event_id: `page-${batch}-${String(n * 37 % 23).padStart(2, '0')}`, data: {} }));
    await api.post('/v1/events').send({ events }).expect(202);
    published.push(...events.map(({ event_id }) => event_id));
    house.clock.advance(7);
  }
  const whole = idsOf(await page('limit=200', api));
  expect([...whole].sort()).toEqual([...published].sort());
  for (const limit of [1, 5, 23, 69]) expect(await walk(`limit=${limit}`, api), `limit ${limit}`).toEqual(whole);
  expect(await walk('limit=4&event_type=odd', api)).toEqual(idsOf(await page('limit=200&event_type=odd', api)));
});

test('events that come in while somebody pages do not disturb the pages', async () => {
  const api = house.as(await givenTenant(house));
  const publish = (event_id: string) => api.post('/v1/events').send({ event_type: 'moving', event_id, data: {} }).expect(202).then(() => house.clock.advance(5));
  for (const id of ['m1', 'm2', 'm3', 'm4']) await publish(id);
  const first = await page('limit=2', api);
  await publish('m5');
  expect([...idsOf(first), ...idsOf(await page(`limit=2&cursor=${first.next_cursor}`, api))]).toEqual(['m4', 'm3', 'm2', 'm1']);
});

test('the last page says so, even when it is full', async () => {
  const api = house.as(await givenTenant(house));
  expect(await page('', api)).toEqual({ data: [], next_cursor: null });
  await api.post('/v1/events').send({ events: [1, 2].map((n) => ({ event_type: 'full', data: { n } })) }).expect(202);
  expect(await page('limit=2', api)).toMatchObject({ next_cursor: null, data: [expect.anything(), expect.anything()] });
});

test('a cursor of one tenant shows another nothing of the first', async () => {
  const { next_cursor } = await page('limit=1');
  const other = house.as(await givenTenant(house));
  expect((await page(`cursor=${next_cursor}`, other)).data).toEqual([]);
});
