import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

const get = async (id: string) => (await house.api.get(`/v1/webhooks/${id}`).expect(200)).body;
const deadLetters = async (id: string) => (await house.api.get(`/v1/dead-letters?webhook_id=${id}`).expect(200)).body.data;

test('a 200 with `webhook-delivery: disable` is a success, and the last: the webhook is disabled with the reason, and that is published', async () => {
  receiver.answer = ({ path }) => (path === '/enough' ? { status: 200, headers: { 'Webhook-Delivery': 'Disable' } } : 200);
  await givenWebhook(house, `${receiver.url}/news`, { events: ['webhook.disabled'] });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/enough`, { events: ['wish.enough'] });
  await deliveryOf(house, await givenEvent(house, 'wish.enough'), 'succeeded');
  expect(await get(webhook_id)).toMatchObject({ status: 'disabled', is_active: false, disabled_reason: expect.stringContaining('webhook-delivery: disable') });
  const [news] = await receiver.received(1, '/news');
  expect(news!.event.data).toMatchObject({ webhook_id, reason: expect.stringContaining('webhook-delivery: disable') });
  const after = await givenEvent(house, 'wish.enough');
  await givenWebhook(house, `${receiver.url}/other`, { events: ['wish.later'] });
  await deliveryOf(house, await givenEvent(house, 'wish.later'), 'succeeded');
  expect((await house.api.get(`/v1/events/${after}`).expect(200)).body.deliveries).toEqual([]);
  expect(await deadLetters(webhook_id)).toEqual([]);
});

test('a failure with `webhook-delivery: disable` ends the delivery and what waits as dead letters', async () => {
  receiver.answer = () => ({ status: 500, headers: { 'webhook-delivery': 'disable' } });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/failing`, { events: ['wish.failing'] });
  const { attempt_count } = await deliveryOf(house, await givenEvent(house, 'wish.failing'), 'dead');
  expect(attempt_count).toBe(1);
  expect(await get(webhook_id)).toMatchObject({ status: 'disabled' });
  expect(await deadLetters(webhook_id)).toEqual([expect.objectContaining({ error_class: 'http_5xx', reason: expect.stringMatching(/webhook-delivery: disable.*HTTP 500/) })]);
});

test.each<Record<string, string>>([{ 'webhook-delivery': 'abort-message' }, { 'Abort-Message': 'true' }])('a failure with %j is not tried again, and the webhook goes on', async (headers) => {
  const type = `wish.abort.${Object.keys(headers)[0]!.toLowerCase()}`;
  receiver.answer = ({ event }) => (event.data.wanted ? 200 : { status: 422, headers });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/abort`, { events: [type] });
  const { attempt_count } = await deliveryOf(house, await givenEvent(house, type, { wanted: false }), 'dead');
  expect(attempt_count).toBe(1);
  expect(await deadLetters(webhook_id)).toEqual([expect.objectContaining({ attempt_count: 1, error_class: 'http_4xx', reason: expect.stringMatching(/abort-message.*HTTP 422/) })]);
  await deliveryOf(house, await givenEvent(house, type, { wanted: true }), 'succeeded');
  expect(await get(webhook_id)).toMatchObject({ status: 'active' });
});

test('`abort-message: false` asks for nothing', async () => {
  receiver.answer = (_, earlier) => (earlier === 0 ? { status: 500, headers: { 'abort-message': 'false' } } : 200);
  await givenWebhook(house, `${receiver.url}/retried`, { events: ['wish.retried'] });
  expect((await deliveryOf(house, await givenEvent(house, 'wish.retried'), 'succeeded')).attempt_count).toBe(2);
});
