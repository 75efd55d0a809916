import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse({ DELIVERY_TIMEOUT_MS: '500' });
const receiver = useReceiver();

const healthOf = async (id: string) => (await house.api.get(`/v1/webhooks/${id}/health`).expect(200)).body;
const fresh = (): string => `health.${randomBytes(4).toString('hex')}`;

test('failures are grouped by class, the most frequent first, with times, statuses, an example and a suggestion', async () => {
  receiver.answer = ({ event: { data } }) => (data.hang ? () => {} : Number(data.status));
  const type = fresh();
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/mixed`, { events: [type], retry_policy: { max_retries: 0 } });
  const deliveries: Record<string, string> = {};
  for (const status of [200, 404, 200, 401, 404, 404, 503]) {
    deliveries[status] = (await deliveryOf(house, await givenEvent(house, type, { status }), status === 200 ? 'succeeded' : 'dead', webhook_id)).delivery_id;
    house.clock.advance(1_000);
  }
  const hung = await deliveryOf(house, await givenEvent(house, type, { hang: true }), 'dead', webhook_id);
  const health = await healthOf(webhook_id);
  expect(health).toMatchObject({ webhook_id, status: 'active', disabled_reason: null, attempts: 8, failed: 6, success_rate: 0.25, waiting: 0, oldest_due_at: null, dead_letters: 6, filtered_24h: 0 });
  expect(health.p50_ms).toBeLessThan(400);
  expect(health.p99_ms).toBeGreaterThanOrEqual(450);
  const time = expect.stringMatching(/^\d{4}-.*Z$/);
  expect(health.failures).toEqual([
    { error_class: 'http_4xx', count: 4, share: 0.6666, first_seen_at: time, last_seen_at: time, statuses: { 401: 1, 404: 3 }, example: { delivery_id: deliveries[404], response_status: 404, error: 'HTTP 404 Not Found' }, suggestion: expect.stringContaining('nothing at that path') },
    expect.objectContaining({ count: 1, share: 0.1666 }), expect.objectContaining({ count: 1 }),
  ]);
  const [notFound] = health.failures;
  expect(Date.parse(notFound.last_seen_at) - Date.parse(notFound.first_seen_at)).toBeGreaterThanOrEqual(4_000);
  const byClass = Object.fromEntries(health.failures.map((failure: { error_class: string }) => [failure.error_class, failure]));
  expect(byClass.http_5xx).toMatchObject({ statuses: { 503: 1 }, example: { delivery_id: deliveries[503] }, suggestion: expect.stringContaining('Retry-After') });
  expect(byClass.timeout).toMatchObject({ statuses: {}, example: { delivery_id: hung.delivery_id, response_status: null, error: 'No answer within 0.5 s.' }, suggestion: expect.stringContaining('Answer 2xx as soon as the event is stored') });
});

test('a webhook without attempts has no rates', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  expect(await healthOf(webhook_id)).toMatchObject({ attempts: 0, failed: 0, success_rate: null, p50_ms: null, p99_ms: null, failures: [] });
});

test('only the last 24 hours count, and no test sends', async () => {
  receiver.answer = () => 500;
  const type = fresh();
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/old`, { events: [type], retry_policy: { max_retries: 0 } });
  await deliveryOf(house, await givenEvent(house, type), 'dead', webhook_id);
  await house.api.post(`/v1/webhooks/${webhook_id}/test`).expect(200);
  expect(await healthOf(webhook_id)).toMatchObject({ attempts: 1, failed: 1, success_rate: 0 });
  house.clock.advance(86_400_000);
  expect(await healthOf(webhook_id)).toMatchObject({ attempts: 0, failures: [], dead_letters: 1 });
});

test('what waits, since when it is due, and what the filter refused are told', async () => {
  receiver.answer = () => 500;
  const type = fresh();
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/waits`, { events: [type], filter: { 'data.wanted': true }, retry_policy: { base_seconds: 3_600, max_seconds: 3_600, jitter: false } });
  for (const wanted of [true, false, false]) await givenEvent(house, type, { wanted });
  const health = await eventually('all three to be seen', async () => {
    const seen = await healthOf(webhook_id);
    return seen.attempts === 1 && seen.filtered_24h === 2 ? seen : undefined;
  });
  expect(health).toMatchObject({ waiting: 1, dead_letters: 0, filtered_24h: 2 });
  expect(Date.parse(health.oldest_due_at) - house.clock.now()).toBeGreaterThan(3_500_000);
  house.clock.advance(25 * 3_600_000);
  expect(await healthOf(webhook_id)).toMatchObject({ filtered_24h: 0 });
});

test('the attempt that a crash left without an outcome is told as interrupted', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  const [webhook] = await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM webhooks WHERE webhook_id = $1', [webhook_id]);
  await house.sql("INSERT INTO attempts (delivery_id, attempt, started_at, tenant_id, webhook_id, trigger, error_class, error) VALUES (gen_random_uuid(), 1, $1, $2, $3, 'event', 'interrupted', 'The process ended.')", [new Date(house.clock.now() - 1_000), webhook!.tenant_id, webhook_id]);
  expect(await healthOf(webhook_id)).toMatchObject({ attempts: 1, failed: 1, p50_ms: null, failures: [{ error_class: 'interrupted', share: 1, statuses: {}, suggestion: expect.stringContaining('crashes') }] });
});

test('the health of another tenant’s webhook, or of none, is not told', async () => {
  const other = { ...house, api: house.as(await givenTenant(house)) };
  const { webhook_id } = await givenWebhook(other, receiver.url);
  for (const id of [webhook_id, '018f4e2a-0000-7abc-8def-0123456789ab', 'nonsense']) await house.api.get(`/v1/webhooks/${id}/health`).expect(404);
});

test('of many attempts every one counts, in both days that the last 24 hours touch', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  const [webhook] = await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM webhooks WHERE webhook_id = $1', [webhook_id]);
  // One each 4 s: 20,000 lie within 22.2 hours, and 2,000 more lie before yesterday's same time.
  await house.sql(`
    INSERT INTO attempts (delivery_id, attempt, started_at, tenant_id, webhook_id, trigger, duration_ms, response_status, error_class, error)
    SELECT gen_random_uuid(), 1, $1::timestamptz - n * interval '4 seconds' - CASE WHEN n > 20000 THEN interval '3 hours' ELSE '0' END, $2, $3, 'event', n % 1000, CASE WHEN n % 10 = 0 THEN 502 ELSE 200 END,
           CASE WHEN n % 10 = 0 THEN 'http_5xx' END, CASE WHEN n % 10 = 0 THEN 'HTTP 502 Bad Gateway' END
      FROM generate_series(1, 22000) n`, [new Date(house.clock.now()), webhook!.tenant_id, webhook_id]);
  expect(await healthOf(webhook_id)).toMatchObject({ attempts: 20_000, failed: 2_000, success_rate: 0.9, p50_ms: 499, p99_ms: 989, failures: [{ error_class: 'http_5xx', count: 2_000, share: 1, statuses: { 502: 2_000 }, suggestion: expect.stringContaining('proxy') }] });
});
