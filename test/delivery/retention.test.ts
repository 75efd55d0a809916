import { expect, test } from 'vitest';
import { DeliveryRetention } from '../../src/delivery/history/retention.js';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';

const house = useHouse({ EVENT_RETENTION_DAYS: '5' });
const DAY_MS = 86_400_000;

test('what still waits when its event goes becomes a dead letter that says so; what is younger goes on waiting', async () => {
  const { webhook_id } = await givenWebhook(house, 'http://127.0.0.1:9/', { events: ['kept.*'], is_active: false });
  const [whole, edge] = [await givenEvent(house, 'kept.whole'), await givenEvent(house, 'kept.edge')];
  const waiting = { whole: await deliveryOf(house, whole, 'pending'), edge: await deliveryOf(house, edge, 'pending') };
  // As if this one had been published just before midnight and matched just after: its delivery's day stays a day longer than its event's.
  for (const table of ['delivery_queue', 'deliveries']) await house.sql(`UPDATE ${table} SET event_recorded_at = date_trunc('day', created_at) - interval '1 ms' WHERE event_id = $1`, [edge]);
  house.clock.advance(5 * DAY_MS);
  for (const days of [house.app.get(LogPartitions), house.app.get(DeliveryRetention)]) await days.reconcile();
  const young = await givenEvent(house, 'kept.young');
  expect((await house.api.get(`/v1/deliveries/${waiting.edge.delivery_id}`).expect(200)).body).toMatchObject({ status: 'dead', attempt_count: 0, next_attempt_at: null, completed_at: new Date((await house.sql<{ died_at: Date }>('SELECT died_at FROM dead_letters WHERE event_id = $1', [edge]))[0]!.died_at).toISOString() });
  const letters = async () => (await house.api.get('/v1/dead-letters').expect(200)).body.data.map(({ delivery_id, reason, webhook_id: of }: { delivery_id: string; reason: string; webhook_id: string }) => [delivery_id, of, reason]);
  expect(await letters()).toEqual([[waiting.edge.delivery_id, webhook_id, 'It waited past EVENT_RETENTION_DAYS.']]);
  expect((await deliveryOf(house, whole, 'pending')).delivery_id).toBe(waiting.whole.delivery_id);

  house.clock.advance(DAY_MS);
  for (const days of [house.app.get(LogPartitions), house.app.get(DeliveryRetention)]) await days.reconcile();
  expect((await letters()).map(([id]: [string]) => id).sort()).toEqual([waiting.edge.delivery_id, waiting.whole.delivery_id].sort());
  expect(await house.sql('SELECT event_id FROM delivery_queue')).toEqual([{ event_id: young }]);
  expect((await deliveryOf(house, young, 'pending')).attempt_count).toBe(0);
});
