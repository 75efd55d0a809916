import { expect, test } from 'vitest';
import { DeliveryRetention } from '../../src/delivery/history/retention.js';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';

const house = useHouse({ EVENT_RETENTION_DAYS: '5' });
const DAY_MS = 86_400_000;

test('what waits for longer than the retention becomes a dead letter that says so; what is younger goes on waiting, and keeps its event, however old that is', async () => {
  const { webhook_id } = await givenWebhook(house, 'http://127.0.0.1:9/', { events: ['kept.*'], is_active: false });
  const [whole, edge] = [await givenEvent(house, 'kept.whole'), await givenEvent(house, 'kept.edge')];
  const waiting = { whole: await deliveryOf(house, whole, 'pending'), edge: await deliveryOf(house, edge, 'pending') };
  // As if this one had been published just before midnight and matched just after, or long before, in a pause: its delivery's day stays longer than its event's.
  for (const table of ['delivery_queue', 'deliveries']) await house.sql(`UPDATE ${table} SET event_recorded_at = date_trunc('day', created_at) - interval '1 ms' WHERE event_id = $1`, [edge]);
  house.clock.advance(5 * DAY_MS);
  for (const days of [house.app.get(LogPartitions), house.app.get(DeliveryRetention)]) await days.reconcile();
  const young = await givenEvent(house, 'kept.young');
  const letters = async () => (await house.api.get('/v1/dead-letters').expect(200)).body.data.map(({ delivery_id, reason, webhook_id: of }: { delivery_id: string; reason: string; webhook_id: string }) => [delivery_id, of, reason]);
  expect(await letters()).toEqual([]);
  for (const [event, { delivery_id }] of [[whole, waiting.whole], [edge, waiting.edge]] as const) expect((await deliveryOf(house, event, 'pending')).delivery_id).toBe(delivery_id);
  expect(await house.sql("SELECT FROM pg_class c JOIN delivery_queue q ON c.relname = 'events_' || to_char(q.event_recorded_at AT TIME ZONE 'UTC', 'YYYYMMDD') WHERE q.event_id = $1", [edge])).toHaveLength(1);

  house.clock.advance(DAY_MS);
  for (const days of [house.app.get(LogPartitions), house.app.get(DeliveryRetention)]) await days.reconcile();
  expect(await letters()).toEqual(expect.arrayContaining([waiting.whole, waiting.edge].map(({ delivery_id }) => [delivery_id, webhook_id, 'It waited past EVENT_RETENTION_DAYS.'])));
  expect(await house.sql('SELECT event_id FROM delivery_queue')).toEqual([{ event_id: young }]);
  expect((await deliveryOf(house, young, 'pending')).attempt_count).toBe(0);
});
