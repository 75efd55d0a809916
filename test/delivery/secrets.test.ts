import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { requestOf, snippetOf } from '../support/docs.js';
import { givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { type Received, useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
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

interface Shown { secret_id: string; hint: string; created_at: string; expires_at: string | null }
const secretsOf = async (id: string): Promise<Shown[]> => {
  const { body } = await house.api.get(`/v1/webhooks/${id}/secrets`).expect(200);
  expect(body.next_cursor).toBeNull();
  return body.data as Shown[];
};
const rotate = async (id: string, body: object = {}) => (await house.api.post(`/v1/webhooks/${id}/rotate-secret`).send(body).expect(200)).body as { secret: string; previous_expires_at: string };

test('the list shows live secrets by their end, newest first, and never a value', async () => {
  const { webhook_id, secret } = await givenWebhook(house, receiver.url, { events: ['never'], secret: 'planted-first-1111' });
  const { secret: second, previous_expires_at } = await rotate(webhook_id, { overlap_hours: 2 });
  const list = await secretsOf(webhook_id);
  expect(list).toEqual([
    { secret_id: expect.any(String), hint: `…${second.slice(-4)}`, created_at: expect.any(String), expires_at: null },
    { secret_id: expect.any(String), hint: '…1111', created_at: expect.any(String), expires_at: previous_expires_at },
  ]);
  for (const value of [secret, second]) expect(JSON.stringify(list)).not.toContain(value);
  house.clock.advance(2 * 3_600_000 + 1_000);
  expect((await secretsOf(webhook_id)).map(({ hint }) => hint)).toEqual([`…${second.slice(-4)}`]);
});

test('a rotation as documented takes an own secret, under the rules of creation', async () => {
  count = 0;
  const { webhook_id, secret } = await givenWebhook(house, `${receiver.url}/own-rotated`, { events: ['own.rotated'] });
  const { path, body } = requestOf(snippetOf('sh', '## Secrets'));
  expect((await house.api.post(path.replace('<webhook_id>', webhook_id)).send(body).expect(200)).body.secret).toBe('a secret of our own');
  const request = await send('own.rotated', '/own-rotated');
  expect([verifies('a secret of our own', request, true), verifies(secret, request)]).toEqual([true, true]);
  for (const bad of ['short', 'x'.repeat(129), 'geheimnis-ü', 'whsec_short', 'whsec_not base64!', null, 5]) {
    const answer = await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({ secret: bad }).expect(422);
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toContain('/secret');
  }
  expect(await secretsOf(webhook_id)).toHaveLength(2);
});

test('a deleted secret stops signing at once', async () => {
  count = 0;
  const { webhook_id, secret: first } = await givenWebhook(house, `${receiver.url}/deleted`, { events: ['deleted'] });
  const { secret: second } = await rotate(webhook_id);
  const [, older] = await secretsOf(webhook_id);
  await house.api.delete(`/v1/webhooks/${webhook_id}/secrets/${older!.secret_id}`).expect(204);
  const request = await send('deleted', '/deleted');
  expect([verifies(first, request), verifies(second, request)]).toEqual([false, true]);
  await house.api.delete(`/v1/webhooks/${webhook_id}/secrets/${older!.secret_id}`).expect(404);
});

test('a rotation is taken back by deleting the new secret: the one before signs on and has no end', async () => {
  count = 0;
  const { webhook_id, secret: first } = await givenWebhook(house, `${receiver.url}/back`, { events: ['back'] });
  await rotate(webhook_id, { overlap_hours: 1 });
  const [current] = await secretsOf(webhook_id);
  await house.api.delete(`/v1/webhooks/${webhook_id}/secrets/${current!.secret_id}`).expect(204);
  expect(await secretsOf(webhook_id)).toEqual([expect.objectContaining({ hint: `…${first.slice(-4)}`, expires_at: null })]);
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`)).body.secret_hint).toBe(`…${first.slice(-4)}`);
  house.clock.advance(5 * 3_600_000);
  expect(verifies(first, await send('back', '/back'))).toBe(true);
});

test('the last live secret stays, also when deletions come together', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  await rotate(webhook_id, { overlap_hours: 1 });
  const [newer, older] = await secretsOf(webhook_id);
  const answers = await Promise.all([newer!, older!].map(({ secret_id }, n) => [house, neighbour][n]!.api.delete(`/v1/webhooks/${webhook_id}/secrets/${secret_id}`)));
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
  const [left] = await secretsOf(webhook_id);
  expect(left!.expires_at).toBeNull();
  expect((await house.api.delete(`/v1/webhooks/${webhook_id}/secrets/${left!.secret_id}`).expect(409)).body.code).toBe('conflict');
});

test('an expired secret does not count as one that is left', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  const [first] = await secretsOf(webhook_id);
  await rotate(webhook_id, { overlap_hours: 1 });
  house.clock.advance(3_700_000);
  const [current] = await secretsOf(webhook_id);
  await house.api.delete(`/v1/webhooks/${webhook_id}/secrets/${current!.secret_id}`).expect(409);
  await house.api.delete(`/v1/webhooks/${webhook_id}/secrets/${first!.secret_id}`).expect(404);
});

test('rotations at the same time, from two processes, keep all their secrets, one of them without an end', async () => {
  count = 0;
  const { webhook_id, secret } = await givenWebhook(house, `${receiver.url}/together`, { events: ['together'] });
  const answers = await Promise.all([house, neighbour, house, neighbour].map(({ api }) => api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({})));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  const list = await secretsOf(webhook_id);
  expect([list.length, list.filter(({ expires_at }) => expires_at === null).length]).toEqual([5, 1]);
  const request = await send('together', '/together');
  for (const live of [secret, ...answers.map(({ body }) => body.secret as string)]) expect(verifies(live, request)).toBe(true);
});

test('the secrets of a webhook are its tenant’s, and one of another webhook is not found', async () => {
  const [one, other] = [await givenWebhook(house, receiver.url, { events: ['never'] }), await givenWebhook(house, receiver.url, { events: ['never'] })];
  for (const { webhook_id } of [one, other]) await rotate(webhook_id);
  const [, theirs] = await secretsOf(other.webhook_id);
  await house.api.delete(`/v1/webhooks/${one.webhook_id}/secrets/${theirs!.secret_id}`).expect(404);
  const stranger = house.as(await givenTenant(house));
  await stranger.get(`/v1/webhooks/${other.webhook_id}/secrets`).expect(404);
  await stranger.delete(`/v1/webhooks/${other.webhook_id}/secrets/${theirs!.secret_id}`).expect(404);
  expect(await secretsOf(other.webhook_id)).toHaveLength(2);
});
