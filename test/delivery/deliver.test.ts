import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

test('a published event arrives signed, and the public Standard Webhooks library verifies it', async () => {
  const { secret, webhook_id } = await givenWebhook(house, `${receiver.url}/signed`, { events: ['cost.report_ready'] });
  const eventId = await givenEvent(house, 'cost.report_ready', { amount: 12.5 });
  const [request] = await receiver.received(1, '/signed');
  expect(new Webhook(secret).verify(request!.body, request!.headers as Record<string, string>)).toMatchObject({ event_id: eventId, data: { amount: 12.5 } });
  expect(request!.headers['webhook-id']).toBe(eventId);
  expect(request!.headers['x-webhook-event']).toBe('cost.report_ready');
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  expect(request!.headers['x-webhook-signature']).toBe(`sha256=${createHmac('sha256', key).update(request!.body).digest('hex')}`);
  const delivery = await deliveryOf(house, eventId, 'succeeded', webhook_id);
  expect(request!.headers['x-webhook-delivery']).toBe(delivery.delivery_id);
});

test('a refusal is tried again later, as attempt 2, under the same webhook-id', async () => {
  receiver.answer = (_, earlier) => (earlier < 2 ? 503 : 200);
  await givenWebhook(house, `${receiver.url}/flaky`, { events: ['flaky.happened'] });
  const eventId = await givenEvent(house, 'flaky.happened');
  const requests = await receiver.received(3, '/flaky');
  expect(new Set(requests.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([eventId]));
  const delivery = await deliveryOf(house, eventId, 'succeeded');
  expect(delivery.attempts.map(({ attempt, trigger, response_status }) => [attempt, trigger, response_status])).toEqual([
    [1, 'event', 503], [2, 'retry', 503], [3, 'retry', 200],
  ]);
});
