import { expect, test } from 'vitest';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { givenTenant } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';

const house = useHouse();
const neighbour = useNeighbour(house, { MAX_BODY_BYTES: '1024' });

const RECORD = { date: '2024-12-01', provider: 'aws', service_name: 'AmazonEC2', billed_cost: '1.50', currency: 'USD' };
const post = (records: unknown, api = house.api) => api.post('/v1/cost/records').send({ records });
/** As text, for `JSON.stringify` would round numbers. */
const postText = (text: string) => house.api.post('/v1/cost/records').set('content-type', 'application/json').send(text);
const stored = (provider: string) => house.sql<Record<string, unknown>>(
  `SELECT record_id, date::text, provider, billing_account_id, sub_account_id, service_name, region_id, resource_id, charge_category, usage_type, billed_cost::text, effective_cost::text, list_cost::text,
          contracted_cost::text, quantity::text, unit, currency, tags FROM cost_data WHERE provider = $1 ORDER BY tenant_id, date, record_id`, [provider]);
const day = (ahead: number): string => new Date(house.clock.now() + ahead * 86_400_000).toISOString().slice(0, 10);
const count = async (provider: string): Promise<number> => (await house.sql<{ n: number }>('SELECT count(*)::int AS n FROM cost_data WHERE provider = $1', [provider]))[0]!.n;

test('a record is stored with every field as it was sent', async () => {
  const whole = {
    date: '2024-02-29', provider: 'whole', billing_account_id: '111122223333', sub_account_id: '4444', service_name: 'AmazonS3', region_id: 'eu-central-1', resource_id: 'arn:aws:s3:::büro', charge_category: 'Credit', usage_type: 'TimedStorage-ByteHrs',
    billed_cost: '-3.20', effective_cost: '3', list_cost: '4.000', contracted_cost: '0', quantity: '86400000000000000000.5', unit: 'byte-seconds', currency: 'EUR', tags: { team: 'search', 'cost/center': '', constructor: '🧮' },
  };
  const { body } = await post([whole]).expect(201);
  expect(body).toEqual({ record_count: 1, record_ids: [expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)] });
  expect(await stored('whole')).toEqual([{ ...whole, record_id: body.record_ids[0] }]);
});

test('what is left out or null is nothing, and costs left out are the billed cost', async () => {
  const nothing = { billing_account_id: null, sub_account_id: null, region_id: null, resource_id: null, usage_type: null, quantity: null, unit: null };
  await post([{ ...RECORD, provider: 'sparse' }, { ...RECORD, ...nothing, provider: 'sparse', tags: null, charge_category: null, effective_cost: null, list_cost: '2', contracted_cost: null }]).expect(201);
  const expected = { ...RECORD, ...nothing, record_id: expect.any(String), provider: 'sparse', charge_category: 'Usage', effective_cost: '1.50', list_cost: '1.50', contracted_cost: '1.50', tags: {} };
  expect(await stored('sparse')).toEqual([expected, { ...expected, list_cost: '2' }]);
});

test('amounts keep every digit, as texts and as numbers that no double holds', async () => {
  await postText(`{"records":[
    {"date":"2024-12-01","provider":"exact","service_name":"x","currency":"USD","billed_cost":"143227.763678187615017991050","effective_cost":143227.763678187615017991050,"list_cost":99999999999999999.999999999999999999999,"contracted_cost":"-0.000000000000000000001","quantity":0.100000000000000001},
    {"date":"2024-12-02","provider":"exact","service_name":"x","currency":"USD","billed_cost":6.266090E-12,"effective_cost":"5.64902E-05","list_cost":1e16,"contracted_cost":-0.0,"quantity":"1.5E+3","tags":{"billed_cost":"7"}}]}`).expect(201);
  expect(await stored('exact')).toMatchObject([
    { billed_cost: '143227.763678187615017991050', effective_cost: '143227.763678187615017991050', list_cost: '99999999999999999.999999999999999999999', contracted_cost: '-0.000000000000000000001', quantity: '0.100000000000000001' },
    { billed_cost: '0.000000000006266090', effective_cost: '0.0000564902', list_cost: '10000000000000000', contracted_cost: '0', quantity: '1500' },
  ]);
});

const WRONG: [field: string, ...values: unknown[]][] = [
  ...['billed_cost', 'effective_cost', 'list_cost', 'contracted_cost', 'quantity'].map((field): [string, ...unknown[]] => [field, '', 'x', '1,5', '+1', '.5', '1e30', 1e30, '1e-30', `1.${'1'.repeat(22)}`, 'NaN', 'Infinity', '0x10', '1_0', ' 1', true, [], {}, '9'.repeat(400)]),
  ['billed_cost', null, undefined],
  ['date', null, undefined, '', '2024-02-30', '2023-02-29', '2024-13-01', '2024-1-1', '2024-12-01T00:00:00Z', 20241201, '1999-12-31', '0001-01-01', '9999-12-31', '+002024-12-01', '2024-12-01\n'],
  ['provider', null, undefined, '', 5, 'x'.repeat(101), {}], ['service_name', null, undefined, '', 'x'.repeat(257)],
  ['billing_account_id', '', 5, 'x'.repeat(257)], ['sub_account_id', '', 5], ['region_id', '', []], ['resource_id', '', 'x'.repeat(2049)], ['usage_type', '', 'x'.repeat(513)], ['unit', '', 'x'.repeat(101)],
  ['charge_category', 'usage', '', 5, 'constructor'], ['currency', null, undefined, '', 'usd', 'EURO', 'US$', 5],
  ['tags', 'x', 5, [], ['a'], Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`t${n}`, '']))], ['tags', { '': 'x' }], ['tags', { ['x'.repeat(257)]: 'x' }],
  ['tags/a~1b~0c', ...[5, null, {}, 'x'.repeat(1025)].map((value) => ({ 'a/b~c': value }))],
  ['huh', 1], ['constructor', 1], ['record_id', '018f4e2a-0000-7abc-8def-0123456789ab'], ['tenant_id', '018f4e2a-0000-7abc-8def-0123456789ab'],
];
test.each(WRONG)('a wrong %s refuses all records and is named', async (pointer, ...values) => {
  const field = pointer.split('/')[0]!;
  for (const value of values) {
    const { body } = await post([{ ...RECORD, provider: 'refused' }, { ...RECORD, provider: 'refused', [field]: value }]).expect(422);
    expect({ value, pointers: body.errors.map(({ pointer: at }: { pointer: string }) => at) }).toEqual({ value, pointers: [`/records/1/${pointer}`] });
  }
  expect(await count('refused')).toBe(0);
});

test('what is no list of records is refused, and so is what Postgres cannot hold', async () => {
  for (const [text, pointer] of [
    ['[]', ''], ['5', ''], ['{}', '/records'], ['{"records":{}}', '/records'], ['{"records":[]}', '/records'], ['{"records":[1,2],"x":1}', '/x'], ['{"records":[null]}', '/records/0'], ['{"records":[[]]}', '/records/0'],
    [`{"records":[{"a":"\\u0000"}]}`, '/records/0/a'], [`{"records":[{"tags":{"a":"\\ud800"}}]}`, '/records/0/tags/a'], [`{"records":[{"tags":{"__proto__":"x"}}]}`, '/records/0/tags'], [`{"records":[${'['.repeat(70)}${']'.repeat(70)}]}`, '/records/0'],
    [`{"records":[{"billed_cost":1e99999}]}`, '/records/0/billed_cost'],
  ] as const) expect({ text, pointer: (await postText(text).expect(422)).body.errors[0].pointer }).toEqual({ text, pointer });
  await postText('{"records":[').expect(400);
  await house.api.post('/v1/cost/records').expect(422);
});

test('days up to a year ahead are taken, and none beyond', async () => {
  await post([{ ...RECORD, provider: 'days', date: '2000-01-01' }, { ...RECORD, provider: 'days', date: day(365) }]).expect(201);
  await post([{ ...RECORD, provider: 'days', date: day(368) }]).expect(422);
});

test('ten thousand records are taken at once, larger than other bodies may be, and not one more; of faults, a hundred are named', async () => {
  const records = Array.from({ length: 10_000 }, (_, n) => ({ ...RECORD, provider: 'many', date: `2024-12-${String(31 - (n % 31)).padStart(2, '0')}`, resource_id: 'x'.repeat(600), billed_cost: `0.${n + 1}`, tags: { n: String(n) } }));
  const { body } = await post(records).expect(201);
  expect(body.record_count).toBe(10_000);
  const rows = await house.sql<{ record_id: string; tags: { n: string } }>("SELECT record_id, tags FROM cost_data WHERE provider = 'many'");
  const placed = new Map(rows.map(({ record_id, tags }) => [record_id, Number(tags.n)]));
  expect((body.record_ids as string[]).map((id) => placed.get(id))).toEqual(records.map((_, n) => n));
  expect((await post([...records.map(() => RECORD), RECORD]).expect(422)).body.errors[0].pointer).toBe('/records');
  expect((await post(records.map((record) => ({ ...record, billed_cost: 'x' }))).expect(422)).body.errors).toHaveLength(100);
});

test('a body may be four times as large as others, and no more', async () => {
  const sized = (bytes: number) => post([{ ...RECORD, provider: 'sized', resource_id: 'x'.repeat(bytes) }], neighbour.api);
  await sized(2_000).expect(201);
  await neighbour.api.post('/v1/events').send({ event_type: 'a', data: { large: 'x'.repeat(2_000) } }).expect(413);
  expect((await sized(4_100).expect(413)).body.code).toBe('body_too_large');
});

test('a tenant’s records are its own, and only keys with the scope may store any', async () => {
  const other = house.as(await givenTenant(house));
  await post([{ ...RECORD, provider: 'tenancy' }]).expect(201);
  await post([{ ...RECORD, provider: 'tenancy' }], other).expect(201);
  expect(await house.sql("SELECT tenant_id FROM cost_data WHERE provider = 'tenancy' GROUP BY 1")).toHaveLength(2);
  const { key } = (await house.api.post('/v1/api-keys').send({ name: 'reader', scopes: ['events:write'] }).expect(201)).body as { key: string };
  await post([RECORD], house.as(key)).expect(403);
});

test('months that were never seen before are made by processes at the same time, beside an export that reads', async () => {
  await post([{ ...RECORD, provider: 'months' }]).expect(201);
  await withClient(house.databaseUrl, async (reader) => {
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await reader.query('SELECT count(*) FROM cost_data');
    const years = [2011, 2012, 2013];
    const records = years.flatMap((year) => Array.from({ length: 12 }, (_, month) => ({ date: `${year}-${String(month + 1).padStart(2, '0')}-28`, provider: 'months', service_name: 'x', billed_cost: 1, currency: 'USD' })));
    // In pieces: a neighbour's bodies are small.
    const pieces = records.flatMap((_, n) => (n % 12 === 0 ? [records.slice(n, n + 12)] : []));
    for (const answer of await Promise.all(pieces.flatMap((piece) => [post(piece), post(piece.toReversed(), neighbour.api), post(piece)]))) expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    await reader.query('COMMIT');
  });
  expect(await count('months')).toBe(1 + 3 * 36);
  expect(await house.sql("SELECT date FROM cost_data_201202 WHERE provider = 'months'")).toHaveLength(3);
});

test('under an idempotency key records are stored once, even when the process dies before it has answered', async () => {
  const send = (api = house.api) => api.post('/v1/cost/records').set('idempotency-key', 'bill').send({ records: [{ ...RECORD, provider: 'once' }] });
  // As when it dies: what is done after the commit does not take place.
  await house.sql("CREATE FUNCTION refuse_later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.status IS NOT NULL THEN RAISE EXCEPTION 'dead' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$");
  await house.sql('CREATE TRIGGER refuse_later BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION refuse_later()');
  const first = await send().expect(201);
  await house.sql('DROP TRIGGER refuse_later ON idempotency_keys');
  await house.sql("UPDATE idempotency_keys SET created_at = now() - interval '61 seconds' WHERE key = 'bill'");
  expect((await send(neighbour.api).expect(201).expect('idempotent-replayed', 'true')).body).toEqual(first.body);
  expect(await count('once')).toBe(1);
});

test('a request whose key was taken over after a minute does not store a second time', async () => {
  const send = (api = house.api) => api.post('/v1/cost/records').set('idempotency-key', 'slow').send({ records: [{ ...RECORD, provider: 'slow' }] });
  const waiting = (n: number) => eventually(`${n} to wait`, async () => (await house.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO cost_data%' AND datname = current_database()")).length === n);
  await withClient(house.databaseUrl, async (holder) => {
    await holder.query('BEGIN; LOCK TABLE cost_data IN SHARE MODE');
    const first = send().then((answer) => answer);
    await waiting(1);
    await house.sql("UPDATE idempotency_keys SET created_at = now() - interval '61 seconds' WHERE key = 'slow'");
    const second = send(neighbour.api).then((answer) => answer);
    await waiting(2);
    await holder.query('COMMIT');
    expect((await Promise.all([first, second])).map(({ status }) => status).sort()).toEqual([201, 409]);
  });
  expect(await count('slow')).toBe(1);
  await send().expect(201).expect('idempotent-replayed', 'true');
});
