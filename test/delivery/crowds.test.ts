import { describe, expect, test } from 'vitest';
import { claimDue } from '../../src/delivery/dispatch/claim.sql.js';
import { HotLane } from '../../src/platform/db/hot-lane.js';
import { uuidv7 } from '../../src/platform/ids.js';
import { givenWebhook } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse({ ROLE: 'api' });
const receiver = useReceiver();

/** Puts deliveries of an event that is gone into the queue, `each` for every webhook named. */
async function givenWaiting(webhookIds: string[], each: number): Promise<void> {
  await house.sql(`
    WITH made AS (
      INSERT INTO deliveries (tenant_id, created_at, delivery_id, webhook_id, event_id, event_recorded_at, event_type, status)
      SELECT tenant_id, $3::timestamptz, gen_random_uuid(), webhook_id, 'e', $3::timestamptz, 'crowd', 'pending' FROM webhooks, generate_series(1, $2::int) WHERE webhook_id = ANY($1::uuid[])
      RETURNING *)
    INSERT INTO delivery_queue (webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt, round_start, trigger)
    SELECT webhook_id, created_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, 1, 1, 'event' FROM made`, [webhookIds, each, new Date(house.clock.now())]);
}

describe('with a worker', () => {
  useNeighbour(house, { ROLE: 'worker' });

  test('whatever waits for a webhook that is deleted is cancelled, however much it is', async () => {
    const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['crowd'], is_active: false });
    await givenWaiting([webhook_id], 12_000);
    await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
    await eventually('all to be cancelled', async () => (await house.sql("SELECT FROM deliveries WHERE webhook_id = $1 AND status <> 'cancelled' LIMIT 1", [webhook_id])).length === 0);
    expect(await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1', [webhook_id])).toEqual([]);
  });
});

test('a claim among 4,000 webhooks that wait, half of them with a rate limit and a quarter busy, takes milliseconds', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  const hooks = (await house.sql<{ webhook_id: string }>(`
    INSERT INTO webhooks (webhook_id, tenant_id, url, description, events, is_active, retry_policy)
    SELECT gen_random_uuid(), tenant_id, url, '', events, true, retry_policy FROM webhooks, generate_series(1, 4000) WHERE webhook_id = $1 RETURNING webhook_id`, [webhook_id])).map((row) => row.webhook_id);
  await house.sql('INSERT INTO webhook_flows (webhook_id, per_second, burst, tokens, tokens_at) SELECT unnest($1::uuid[]), 1, 100, 100, $2', [hooks.slice(0, 2_000), new Date(house.clock.now())]);
  await givenWaiting(hooks, 1);
  const lane = new HotLane(house.databaseUrl, 1);
  const dispatcherId = uuidv7(Date.now());
  await house.sql("INSERT INTO dispatchers (dispatcher_id, host, pid) VALUES ($1, 'here', 1)", [dispatcherId]);
  const room = { free: 200, perWebhook: 64, perTenant: [4_000, 4_000] as [number, number], webhooks: new Map(hooks.slice(1_500, 2_500).map((id) => [id, { inFlight: 1, most: 64 }])), tenants: new Map() };
  const times: number[] = [];
  for (let n = 0; n < 5; n++) {
    const began = performance.now();
    expect(await claimDue(lane, dispatcherId, new Date(house.clock.now()), room)).toHaveLength(100);
    times.push(performance.now() - began);
  }
  await lane.close();
  // Some 40 ms, where a join of all pairs takes 2 s.
  expect(Math.min(...times)).toBeLessThan(500);
});
