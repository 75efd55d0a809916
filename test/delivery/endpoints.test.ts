import { beforeAll, expect, test } from 'vitest';
import { Endpoints } from '../../src/delivery/webhooks/endpoints.js';
import { useHouse } from '../support/house.js';

const house = useHouse();

/** As many as are remembered, and some more. */
const ENTRIES = 10_000;
const ids: string[] = [];

beforeAll(async () => {
  const rows = await house.sql<{ webhook_id: string }>(`
    INSERT INTO webhooks (webhook_id, tenant_id, url, description, events, is_active, retry_policy)
    SELECT gen_random_uuid(), gen_random_uuid(), 'http://127.0.0.1:9/' || n, '', '{never}', true, '{}' FROM generate_series(1, ${ENTRIES + 10}) n RETURNING webhook_id`);
  ids.push(...rows.map(({ webhook_id }) => webhook_id));
});

const load = (some: string[], version = 1) => house.app.get(Endpoints).load(new Map(some.map((id) => [id, version])));

test('endpoints are remembered until their version changes', async () => {
  const id = ids[0]!;
  const first = (await load([id])).get(id)!;
  await house.sql("UPDATE webhooks SET url = 'http://127.0.0.1:9/new', version = 2 WHERE webhook_id = $1", [id]);
  expect((await load([id])).get(id)).toBe(first);
  expect((await load([id], 2)).get(id)).toMatchObject({ url: 'http://127.0.0.1:9/new', version: 2 });
});

test('a full memory is emptied, and who asks just then still gets every endpoint, remembered or not', async () => {
  for (let at = 0; at <= ENTRIES; at += 2_000) expect((await load(ids.slice(at, Math.min(at + 2_000, ENTRIES + 1)))).size).toBe(Math.min(2_000, ENTRIES + 1 - at));
  const [old, fresh] = [ids[5]!, ids[ENTRIES + 5]!];
  const remembered = (await load([old])).get(old);
  const both = await load([old, fresh]);
  expect([...both.keys()].sort()).toEqual([old, fresh].sort());
  expect(both.get(old)).toBe(remembered);
  // Forgotten now: read anew.
  const again = (await load([old])).get(old);
  expect(JSON.stringify(again)).toBe(JSON.stringify(remembered));
  expect(again).not.toBe(remembered);
});
