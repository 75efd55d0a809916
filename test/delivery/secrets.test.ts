import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { givenEvent, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { type Received, useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

/** The public library's verdict, at the house's time rather than the machine's. */
function verifies(secret: string, { body, headers }: Received, raw = false): boolean {
  const library = raw ? new Webhook(secret, { format: 'raw' }) : new Webhook(secret);
  const id = headers['webhook-id'] as string;
  const seconds = Number(headers['webhook-timestamp']);
  return (headers['webhook-signature'] as string).split(' ').includes(library.sign(id, new Date(seconds * 1000), body));
}

let count = 0;
async function send(type: string, path: string): Promise<Received> {
  await givenEvent(house, type);
  return (await receiver.received(++count, path)).at(-1)!;
}

test('after a rotation both secrets verify until the overlap ends, then only the new one', async () => {
  count = 0;
  const { webhook_id, secret: first } = await givenWebhook(house, `${receiver.url}/rotated`, { events: ['rotated'] });
  expect(verifies(first, await send('rotated', '/rotated'))).toBe(true);

  const { body } = await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({ overlap_hours: 2 }).expect(200);
  expect(body).toEqual({ webhook_id, secret: expect.stringMatching(/^whsec_/), previous_expires_at: expect.any(String) });
  expect(Date.parse(body.previous_expires_at) - house.clock.now()).toBeGreaterThan(1.9 * 3_600_000);
  const second = body.secret as string;
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`)).body.secret_hint).toBe(`…${second.slice(-4)}`);

  const overlapping = await send('rotated', '/rotated');
  expect([verifies(first, overlapping), verifies(second, overlapping)]).toEqual([true, true]);
  // As a receiver would, with either secret.
  for (const secret of [first, second]) expect(() => new Webhook(secret).verify(overlapping.body, overlapping.headers as Record<string, string>)).not.toThrow();
  const newestFirst = createHmac('sha256', Buffer.from(second.slice(6), 'base64')).update(overlapping.body).digest('hex');
  expect(overlapping.headers['x-webhook-signature']).toBe(`sha256=${newestFirst}`);

  house.clock.advance(2 * 3_600_000 + 1_000);
  const after = await send('rotated', '/rotated');
  expect([verifies(first, after), verifies(second, after)]).toEqual([false, true]);
});

test('a rotation without overlap ends the old secret at once', async () => {
  count = 0;
  const { webhook_id, secret: first } = await givenWebhook(house, `${receiver.url}/at-once`, { events: ['at.once'] });
  const { secret: second } = (await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({ overlap_hours: 0 }).expect(200)).body;
  const request = await send('at.once', '/at-once');
  expect([verifies(first, request), verifies(second, request)]).toEqual([false, true]);
});

test('without a body the overlap is a day', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url);
  const { previous_expires_at } = (await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).expect(200)).body;
  expect(Math.round((Date.parse(previous_expires_at) - house.clock.now()) / 3_600_000)).toBe(24);
});

test('a later rotation with a shorter overlap shortens the life of older secrets, never lengthens it', async () => {
  count = 0;
  const { webhook_id, secret: first } = await givenWebhook(house, `${receiver.url}/thrice`, { events: ['thrice'] });
  const rotate = async (overlap_hours: number): Promise<string> => (await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({ overlap_hours }).expect(200)).body.secret;
  const second = await rotate(1);
  const third = await rotate(10);
  house.clock.advance(2 * 3_600_000);
  const request = await send('thrice', '/thrice');
  expect([first, second, third].map((secret) => verifies(secret, request))).toEqual([false, true, true]);
});

test('five secrets are live at most', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url);
  for (let n = 0; n < 4; n++) await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({}).expect(200);
  expect((await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({}).expect(409)).body.code).toBe('conflict');
  await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({ overlap_hours: 0 }).expect(200);
  expect(await house.sql('SELECT FROM webhook_secrets WHERE webhook_id = $1', [webhook_id])).toHaveLength(1);
});

test.each(['8 chars!', 'correct horse battery staple', 'x'.repeat(128)])('an own secret signs: %.30s', async (secret) => {
  count = 0;
  const type = `own.n${secret.length}`;
  const created = await givenWebhook(house, `${receiver.url}/${type}`, { events: [type], secret });
  expect(created.secret).toBe(secret);
  const request = await send(type, `/${type}`);
  expect(verifies(secret, request, true)).toBe(true);
  expect(request.headers['x-webhook-signature']).toBe(`sha256=${createHmac('sha256', secret).update(request.body).digest('hex')}`);
});

test('an own secret in Standard Webhooks form signs with what it decodes to', async () => {
  count = 0;
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  await givenWebhook(house, `${receiver.url}/own-whsec`, { events: ['own.whsec'], secret });
  expect(verifies(secret, await send('own.whsec', '/own-whsec'))).toBe(true);
});
