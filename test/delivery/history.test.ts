import { expect, test } from 'vitest';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { DeadLetterRetention, DeliveryRetention } from '../../src/delivery/history/retention.js';
import { deliveryOf, givenEvent, givenWebhook, QUICK } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse({ EVENT_RETENTION_DAYS: '10' });
const receiver = useReceiver();
const DAY_MS = 86_400_000;

test('the views for people with psql tell what happened', async () => {
  receiver.answer = ({ event }) => (event.event_type === 'view.bad' ? 503 : 200);
  const { webhook_id, url } = await givenWebhook(house, `${receiver.url}/viewed`, { events: ['view.*'], retry_policy: { ...QUICK, max_retries: 1 } });
  const good = await givenEvent(house, 'view.good');
  const bad = await givenEvent(house, 'view.bad');
  await deliveryOf(house, good, 'succeeded');
  const { delivery_id } = await deliveryOf(house, bad, 'dead');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: false }).expect(200);
  await deliveryOf(house, await givenEvent(house, 'view.waits'), 'pending');

  const log = await house.sql('SELECT tenant, event_type, url, status, attempts, last_response_status, last_error_class, last_error, is_test FROM delivery_log WHERE webhook_id = $1 ORDER BY event_type', [webhook_id]);
  expect(log).toEqual([
    { tenant: 'default', event_type: 'view.bad', url, status: 'dead', attempts: 2, last_response_status: 503, last_error_class: 'http_5xx', last_error: 'HTTP 503 Service Unavailable', is_test: false },
    { tenant: 'default', event_type: 'view.good', url, status: 'succeeded', attempts: 1, last_response_status: 200, last_error_class: null, last_error: null, is_test: false },
    { tenant: 'default', event_type: 'view.waits', url, status: 'pending', attempts: 0, last_response_status: null, last_error_class: null, last_error: null, is_test: false },
  ]);
  const [health] = await house.sql<Record<string, unknown>>('SELECT * FROM webhook_health WHERE webhook_id = $1', [webhook_id]);
  expect(health).toMatchObject({ tenant: 'default', url, status: 'paused', waiting: '1', dead_letters: '1', attempts_24h: '3', failures_24h: '2', success_percent_24h: '33.33', last_success_at: expect.any(Date), last_failure_at: expect.any(Date) });
  expect(await house.sql('SELECT tenant, event_type, url, attempts, error_class, reason, delivery_id, event_id FROM dead_letter_log WHERE webhook_id = $1', [webhook_id])).toEqual([
    { tenant: 'default', event_type: 'view.bad', url, attempts: 2, error_class: 'http_5xx', reason: 'All 2 attempts failed. The last one: HTTP 503 Service Unavailable', delivery_id, event_id: bad },
  ]);
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  expect(await house.sql('SELECT FROM webhook_health WHERE webhook_id = $1', [webhook_id])).toEqual([]);
});

test('a delivery that waited past its event’s days is given up with that reason; younger history stays', async () => {
  const reconcile = async (): Promise<void> => {
    await house.app.get(LogPartitions).reconcile();
    await house.app.get(DeliveryRetention).reconcile();
    await house.app.get(DeadLetterRetention).reconcile();
  };
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/kept`, { events: ['kept.*'] });
  const done = await givenEvent(house, 'kept.done');
  const { delivery_id: doneId } = await deliveryOf(house, done, 'succeeded');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: false }).expect(200);
  const waiting = await givenEvent(house, 'kept.waiting');
  await deliveryOf(house, waiting, 'pending');

  house.clock.advance(6 * DAY_MS);
  await reconcile();
  const young = await givenEvent(house, 'kept.young');
  const { delivery_id: youngId } = await deliveryOf(house, young, 'pending');

  house.clock.advance(5 * DAY_MS);
  await reconcile();
  await house.api.get(`/v1/deliveries/${doneId}`).expect(404);
  await house.api.get(`/v1/deliveries/${youngId}`).expect(200);
  const letters = (await house.api.get(`/v1/dead-letters?webhook_id=${webhook_id}`).expect(200)).body.data;
  expect(letters).toEqual([expect.objectContaining({ event_id: waiting, attempt_count: 0, reason: expect.stringContaining('EVENT_RETENTION_DAYS') })]);
  expect(await house.sql('SELECT event_id FROM delivery_queue WHERE webhook_id = $1', [webhook_id])).toEqual([{ event_id: young }]);
  expect(await house.sql("SELECT FROM attempts WHERE started_at < $1", [new Date(house.clock.now() - 11 * DAY_MS)])).toEqual([]);

  // What is left of the old one cannot be sent any more: a redrive says so beforehand, and leaves the letter to be read.
  for (const dry_run of [true, false]) expect((await house.api.post('/v1/dead-letters/redrive').send({ filter: { webhook_id }, dry_run }).expect(202)).body).toMatchObject({ dry_run, count: 0, webhooks: [], skipped: [{ reason: 'past_retention', count: 1, webhook_id }] });
  expect((await house.api.get(`/v1/dead-letters?webhook_id=${webhook_id}`).expect(200)).body.data).toEqual(letters);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200);
  await deliveryOf(house, young, 'succeeded');
  house.clock.advance(11 * DAY_MS);
  await reconcile();
  expect((await house.api.get('/v1/dead-letters').expect(200)).body.data).toEqual([]);
});
