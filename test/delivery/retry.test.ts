import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook, QUICK } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

interface Seen { status: string; next_attempt_at: string | null; attempt_count: number; completed_at: string | null }
const seen = async (deliveryId: string): Promise<Seen> => (await house.api.get(`/v1/deliveries/${deliveryId}`).expect(200)).body;

test('between attempts the delivery says when the next one is due, and the waits follow the policy', async () => {
  receiver.answer = () => 500;
  await givenWebhook(house, `${receiver.url}/slow`, { events: ['slow'], retry_policy: { max_retries: 3, base_seconds: 60, factor: 10, max_seconds: 3_600, jitter: false } });
  const eventId = await givenEvent(house, 'slow');
  const { delivery_id } = await deliveryOf(house, eventId, 'retrying');
  for (const [index, waitSeconds] of [60, 600, 3_600].entries()) {
    const waiting = await eventually(`attempt ${index + 1} to be on record`, async () => {
      const now = await seen(delivery_id);
      return now.attempt_count === index + 1 && now;
    });
    expect(waiting).toMatchObject({ status: 'retrying', completed_at: null });
    const wait = Date.parse(waiting.next_attempt_at!) - house.clock.now();
    expect(wait).toBeLessThanOrEqual(waitSeconds * 1000);
    expect(wait).toBeGreaterThan(waitSeconds * 1000 - 15_000);
    expect(receiver.requests).toHaveLength(index + 1);
    house.clock.advance(waitSeconds * 1000);
  }
  const dead = await deliveryOf(house, eventId, 'dead');
  expect(dead.attempts.map(({ attempt, trigger }) => [attempt, trigger])).toEqual([[1, 'event'], [2, 'retry'], [3, 'retry'], [4, 'retry']]);
  expect(await seen(delivery_id)).toMatchObject({ next_attempt_at: null, completed_at: expect.any(String) });
});

test.each([[429, '120'], [503, '120']])('HTTP %i with Retry-After lengthens the wait', async (status, retryAfter) => {
  receiver.answer = () => ({ status, headers: { 'retry-after': retryAfter } });
  await givenWebhook(house, `${receiver.url}/patience`, { events: [`patience.${status}`], retry_policy: QUICK });
  const { delivery_id } = await deliveryOf(house, await givenEvent(house, `patience.${status}`), 'retrying');
  const wait = Date.parse((await seen(delivery_id)).next_attempt_at!) - house.clock.now();
  expect(wait).toBeGreaterThan(100_000);
  expect(wait).toBeLessThanOrEqual(120_000);
});

test('Retry-After on another failure changes nothing', async () => {
  receiver.answer = (_, earlier) => (earlier === 0 ? { status: 500, headers: { 'retry-after': '86400' } } : 200);
  await givenWebhook(house, `${receiver.url}/impatient`, { events: ['impatient'], retry_policy: QUICK });
  await deliveryOf(house, await givenEvent(house, 'impatient'), 'succeeded');
});

test('a redirect is a failure, and its target hears nothing', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    receiver.answer = ({ path }) => (path === '/target' ? 200 : { status, headers: { location: `${receiver.url}/target` } });
    await givenWebhook(house, `${receiver.url}/moved`, { events: [`moved.${status}`], retry_policy: { max_retries: 0 } });
    const { attempts } = await deliveryOf(house, await givenEvent(house, `moved.${status}`), 'dead');
    expect(attempts).toEqual([expect.objectContaining({ response_status: status, error_class: 'redirect', error: expect.stringContaining('not followed') })]);
  }
  expect(receiver.requests.filter(({ path }) => path === '/target')).toEqual([]);
});

test('410 disables the webhook: what waits for it dies with a reason, and nothing new is made', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/gone`, { events: ['gone.*'], is_active: false });
  const ids = [await givenEvent(house, 'gone.a'), await givenEvent(house, 'gone.b')];
  for (const id of ids) await deliveryOf(house, id, 'pending', webhook_id);
  receiver.answer = () => 410;
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200);
  for (const id of ids) await deliveryOf(house, id, 'dead', webhook_id);
  const { body } = await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200);
  expect(body).toMatchObject({ status: 'disabled', is_active: false, disabled_reason: expect.stringContaining('410') });
  const letters = (await house.api.get(`/v1/dead-letters?webhook_id=${webhook_id}`).expect(200)).body.data as { reason: string }[];
  expect(letters).toHaveLength(2);
  for (const { reason } of letters) expect(reason).toContain('410');

  receiver.answer = () => 200;
  const control = await givenWebhook(house, `${receiver.url}/control`, { events: ['gone.c'] });
  const later = await givenEvent(house, 'gone.c');
  await deliveryOf(house, later, 'succeeded', control.webhook_id);
  expect((await house.api.get(`/v1/events/${later}`).expect(200)).body.deliveries.filter((delivery: { webhook_id: string }) => delivery.webhook_id === webhook_id)).toEqual([]);

  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ description: 'still off' }).expect(200);
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`)).body.status).toBe('disabled');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200);
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`)).body).toMatchObject({ status: 'active', disabled_reason: null });
  await deliveryOf(house, await givenEvent(house, 'gone.d'), 'succeeded', webhook_id);
});

test('what is given up becomes a dead letter with the reason in words, and news of it go out', async () => {
  receiver.answer = ({ path }) => (path === '/news' ? 200 : { status: 503, body: 'down for lunch' });
  await givenWebhook(house, `${receiver.url}/news`, { events: ['delivery.exhausted'] });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/doomed`, { events: ['doomed'], retry_policy: { ...QUICK, max_retries: 2 } });
  const eventId = await givenEvent(house, 'doomed');
  const { delivery_id, attempt_count } = await deliveryOf(house, eventId, 'dead');
  expect(attempt_count).toBe(3);
  const { data } = (await house.api.get(`/v1/dead-letters?webhook_id=${webhook_id}`).expect(200)).body;
  expect(data).toEqual([{
    delivery_id, event_id: eventId, webhook_id, event_type: 'doomed', attempt_count: 3, error_class: 'http_5xx',
    reason: 'All 3 attempts failed. The last one: HTTP 503 Service Unavailable', died_at: expect.any(String), kept_until: expect.any(String), order_key: null, blocks_key: false,
  }]);
  const [news] = await receiver.received(1, '/news');
  expect(news!.event.data).toMatchObject({ delivery_id, webhook_id, event_id: eventId, attempt_count: 3, reason: data[0].reason });
});
