import { expect, test } from 'vitest';
import { DeadLetterRetention } from '../../src/delivery/history/retention.js';
import { deliveryOf, endOf, givenEvent, givenTenant, givenWebhook, QUICK } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse({ DEAD_LETTER_RETENTION_DAYS: '3' });
const receiver = useReceiver();
const DAY_MS = 86_400_000;

interface Letter { event_id: string; delivery_id: string; died_at: string; kept_until: string }
const letters = async (query: string): Promise<Letter[]> => (await house.api.get(`/v1/dead-letters?${query}`).expect(200)).body.data;
const ids = async (query: string): Promise<string[]> => (await letters(query)).map(({ event_id }) => event_id);

test('dead letters are found by webhook, type, class, event and time, read with their attempts, and summed up to begin with', async () => {
  receiver.answer = ({ path }) => (path === '/five' ? 503 : 404);
  const five = await givenWebhook(house, `${receiver.url}/five`, { events: ['x', 'y'], retry_policy: { ...QUICK, max_retries: 1 } });
  const four = await givenWebhook(house, `${receiver.url}/four`, { events: ['x'], retry_policy: { ...QUICK, max_retries: 0 } });
  const x = await givenEvent(house, 'x');
  await deliveryOf(house, x, 'dead', four.webhook_id);
  const { delivery_id } = await deliveryOf(house, x, 'dead', five.webhook_id);
  const y = await givenEvent(house, 'y');
  await deliveryOf(house, y, 'dead', five.webhook_id);

  expect(await ids('limit=200')).toEqual([y, x, x]);
  expect(await ids(`webhook_id=${five.webhook_id}`)).toEqual([y, x]);
  expect(await ids('event_type=x')).toEqual([x, x]);
  expect(await ids('error_class=http_4xx')).toEqual([x]);
  expect(await ids(`event_id=${y}`)).toEqual([y]);
  const [newest] = await letters('limit=1');
  expect(await ids(`from=${newest!.died_at}`)).toEqual([y]);
  expect(await ids(`to=${newest!.died_at}`)).toEqual([x, x]);
  expect(Date.parse(newest!.kept_until) - Date.parse(newest!.died_at)).toBe(3 * DAY_MS);

  const letter = (await house.api.get(`/v1/dead-letters/${delivery_id}`).expect(200)).body;
  expect(letter).toMatchObject({ delivery_id, event_id: x, error_class: 'http_5xx', attempt_count: 2, attempts: [{ attempt: 1, response_status: 503 }, { attempt: 2, response_status: 503 }] });
  expect((await house.api.get('/v1/dead-letters/summary').expect(200)).body).toEqual({
    total_count: 3,
    data: [
      { webhook_id: five.webhook_id, url: five.url, error_class: 'http_5xx', count: 2, oldest_died_at: letter.died_at, newest_died_at: newest!.died_at },
      { webhook_id: four.webhook_id, url: four.url, error_class: 'http_4xx', count: 1, oldest_died_at: expect.any(String), newest_died_at: expect.any(String) },
    ],
  });
  expect((await house.api.get(`/v1/dead-letters/summary?webhook_id=${four.webhook_id}`).expect(200)).body).toMatchObject({ total_count: 1 });

  const other = house.as(await givenTenant(house));
  await other.get(`/v1/dead-letters/${delivery_id}`).expect(404);
  expect((await other.get('/v1/dead-letters/summary').expect(200)).body).toEqual({ total_count: 0, data: [] });
  expect((await other.post('/v1/dead-letters/redrive').send({ delivery_ids: [delivery_id] }).expect(202)).body).toMatchObject({ count: 0, skipped: [{ reason: 'not_a_dead_letter', count: 1 }] });

  receiver.answer = () => 200;
  const { resend_id } = (await house.api.post('/v1/dead-letters/redrive').send({ filter: { error_class: 'http_5xx', event_id: x } }).expect(202)).body;
  expect(await endOf(house, resend_id)).toMatchObject({ done_count: 1, skipped_count: 0 });
  await deliveryOf(house, x, 'succeeded', five.webhook_id);
  expect(await ids('limit=200')).toEqual([y, x]);
  await house.api.get(`/v1/dead-letters/${delivery_id}`).expect(404);
});

test('a dry run tells what would be left out, and why; the redrive tells the same', async () => {
  receiver.answer = () => 500;
  const disabled = await givenWebhook(house, `${receiver.url}/off`, { events: ['off'], retry_policy: { ...QUICK, max_retries: 0 } });
  const deleted = await givenWebhook(house, `${receiver.url}/gone`, { events: ['gone'], retry_policy: { ...QUICK, max_retries: 0 } });
  const chosen = [await deliveryOf(house, await givenEvent(house, 'off'), 'dead'), await deliveryOf(house, await givenEvent(house, 'gone'), 'dead')].map(({ delivery_id }) => delivery_id);
  await house.sql("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'test', is_active = false, version = version + 1 WHERE webhook_id = $1", [disabled.webhook_id]);
  await house.api.delete(`/v1/webhooks/${deleted.webhook_id}`).expect(204);
  for (const dry_run of [true, false]) {
    const { body } = await house.api.post('/v1/dead-letters/redrive').send({ delivery_ids: chosen, dry_run, rate_per_second: 5 }).expect(202);
    expect(body).toMatchObject({ dry_run, count: 0, webhooks: [], estimated_seconds: 0 });
    expect(body.skipped).toHaveLength(2);
    expect(body.skipped).toEqual(expect.arrayContaining([{ reason: 'webhook_disabled', count: 1, webhook_id: disabled.webhook_id }, { reason: 'webhook_deleted', count: 1, webhook_id: deleted.webhook_id }]));
  }
});

test('dead letters go after DEAD_LETTER_RETENTION_DAYS, however many; the delivery they were about stays', async () => {
  receiver.answer = () => 500;
  await givenWebhook(house, `${receiver.url}/old`, { events: ['old'], retry_policy: { ...QUICK, max_retries: 0 } });
  const { delivery_id } = await deliveryOf(house, await givenEvent(house, 'old'), 'dead');
  await house.sql(`INSERT INTO dead_letters (tenant_id, died_at, delivery_id, delivery_created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, reason)
    SELECT tenant_id, died_at, gen_random_uuid(), delivery_created_at, event_recorded_at, webhook_id, event_id, 'many', 1, 'One of many.' FROM dead_letters, generate_series(1, 12000) WHERE delivery_id = $1`, [delivery_id]);
  house.clock.advance(2 * DAY_MS);
  await house.app.get(DeadLetterRetention).reconcile();
  expect(await letters('event_type=many&limit=1')).toHaveLength(1);
  house.clock.advance(DAY_MS + 1_000);
  await house.app.get(DeadLetterRetention).reconcile();
  expect(await house.sql('SELECT FROM dead_letters')).toEqual([]);
  expect((await house.api.get(`/v1/deliveries/${delivery_id}`).expect(200)).body).toMatchObject({ status: 'dead', attempt_count: 1 });
});
