import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { requestOf, snippetOf } from '../support/docs.js';
import { deliveryOf, givenWebhook } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { type Received, useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

/** Has several bytes per character, a number that no double holds and white space, so that any way through a parser or a string of another encoding shows. */
const DATA = '{ "name": "Zoë – 東京 😀\\u00e9", "n": 12345678901234567890.10 }';
const GITHUB = { header: 'X-Hub-Signature-256', template: 'sha256={signature}', key: 'text' };
const header = ({ headers }: Received, name: string): string => headers[name] as string;
const hmac = (secret: string, ...signed: (string | Buffer)[]) => signed.reduce<ReturnType<typeof createHmac>>((mac, chunk) => mac.update(chunk), createHmac('sha256', secret));

async function publish(type: string): Promise<string> {
  const answer = await house.api.post('/v1/events').set('content-type', 'application/json').serialize((text: unknown) => text as string).send(`{"event_type":"${type}","data":${DATA}}` as unknown as object).expect(202);
  return answer.body.event_id as string;
}

/** A webhook changed by the request that the docs show, and what its receiver then gets: from before and after a rotation. */
async function sendAsDocumented(name: string, secret: string, newer: string): Promise<{ before: Received; during: Received; deliveryId: string; eventId: string }> {
  const type = `contract.${name.toLowerCase()}`;
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/${name}`, { events: [type], secret });
  const { method, path, body } = requestOf(snippetOf('sh', `\n${name}'s`));
  expect(method).toBe('PATCH');
  await house.api.patch(path.replace('<webhook_id>', webhook_id)).send(body).expect(200);
  const eventId = await publish(type);
  const [before] = await receiver.received(1, `/${name}`);
  await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({ secret: newer }).expect(200);
  await publish(type);
  const during = (await receiver.received(2, `/${name}`))[1]!;
  expect(before!.body.toString()).toContain(DATA);
  return { before: before!, during, eventId, deliveryId: (await deliveryOf(house, eventId, 'succeeded')).delivery_id };
}

/** As Stripe’s libraries verify. */
const stripeVerifies = (request: Received, secret: string): boolean => {
  const parts = header(request, 'stripe-signature').split(',').map((part) => part.split('=') as [string, string]);
  const t = parts.find(([name]) => name === 't')![1];
  return Math.abs(Number(t) - house.clock.now() / 1000) < 300 && parts.some(([name, value]) => name === 'v1' && value === hmac(secret, `${t}.`, request.body).digest('hex'));
};

/** As Hook0’s SDKs verify. */
const hook0Verifies = (secret: string, request: Received, headers = request.headers): boolean => {
  const parts = new Map(header(request, 'x-hook0-signature').split(',').map((part) => part.split('=') as [string, string]));
  const names = parts.get('h')!;
  const values = names.split(' ').map((name) => headers[name] as string);
  return parts.get('v1') === hmac(secret, `${parts.get('t')}.${names}.${values.join('.')}.`, request.body).digest('hex');
};

/** As Svix’s libraries verify. */
const svixVerify = (secret: string, { body, headers }: Received) => new Webhook(secret).verify(body, Object.fromEntries(['id', 'timestamp', 'signature'].map((name) => [`webhook-${name}`, headers[`svix-${name}`] as string])));

test('Stripe’s contract, set as documented, verifies as Stripe’s libraries verify it, with either secret while two overlap', async () => {
  const secrets = ['whsec_test_secret_1', 'whsec_test_secret_2'] as const;
  // Stripe's own secrets are not base64 after the prefix; here they must be, and all of it as text is the key.
  const [older, newer] = secrets.map((text) => `whsec_${Buffer.from(text).toString('base64')}`) as [string, string];
  const { before, during } = await sendAsDocumented('Stripe', older, newer);
  expect([stripeVerifies(before, older), stripeVerifies(before, newer), stripeVerifies(during, older), stripeVerifies(during, newer)]).toEqual([true, false, true, true]);
  expect(header(during, 'stripe-signature')).toMatch(/^t=\d{10},v1=[0-9a-f]{64},v1=[0-9a-f]{64}$/);
  expect(header(before, 'stripe-signature')).toContain(`t=${header(before, 'webhook-timestamp')},`);
  // In addition to ours.
  expect(() => new Webhook(older).verify(before.body, before.headers as Record<string, string>)).not.toThrow();
});

test('GitHub’s contract, set as documented, is its header by the newest secret', async () => {
  const { before, during, deliveryId } = await sendAsDocumented('GitHub', "It's a Secret to Everybody", 'a newer secret');
  expect(header(before, 'x-hub-signature-256')).toBe(`sha256=${hmac("It's a Secret to Everybody", before.body).digest('hex')}`);
  expect(header(during, 'x-hub-signature-256')).toBe(`sha256=${hmac('a newer secret', during.body).digest('hex')}`);
  expect([header(before, 'x-github-event'), header(before, 'x-github-delivery')]).toEqual(['contract.github', deliveryId]);
});

test('Svix’s contract, set as documented, verifies with the library under Svix’s names, with either secret while two overlap', async () => {
  const [older, newer] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'];
  const { before, during, eventId } = await sendAsDocumented('Svix', older, newer);
  for (const [secret, request] of [[older, before], [older, during], [newer, during]] as const) expect(svixVerify(secret, request)).toMatchObject({ event_type: 'contract.svix' });
  expect(() => svixVerify(newer, before)).toThrow();
  expect(header(before, 'svix-id')).toBe(eventId);
});

test('Hook0’s contract, set as documented, verifies as Hook0’s SDKs verify it: names and values of the headers are signed', async () => {
  const [older, newer] = ['b8f9a1d0-1c2b-4e3f-8a5d-6c7e8f9a0b1c', '018f4e2a-0000-7abc-8def-0123456789ab'];
  const { before, during, eventId } = await sendAsDocumented('Hook0', older, newer);
  expect([hook0Verifies(older, before), hook0Verifies(newer, during), hook0Verifies(older, during)]).toEqual([true, true, false]);
  expect(hook0Verifies(older, before, { ...before.headers, 'x-event-type': 'contract.forged' })).toBe(false);
  expect(before.headers).toMatchObject({ 'x-event-id': eventId, 'x-event-type': 'contract.hook0', 'content-type': 'application/json' });
});

test('a retry and a redrive sign the same bytes under the same id at their own time', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/again`, {
    events: ['again'], signing: ['v1', 'v1a'], retry_policy: { max_retries: 1, base_seconds: 30, factor: 1, jitter: false }, secret: 'secret of old',
    signature: { header: 'X-Old', template: '{timestamp_ms};{id};{signature}', signed: '{timestamp_ms}.{id}.{body}', key: 'text' },
  });
  receiver.answer = (_, earlier) => (earlier < 2 ? 500 : 200);
  const eventId = await publish('again');
  await deliveryOf(house, eventId, 'retrying');
  house.clock.advance(31_000);
  await deliveryOf(house, eventId, 'dead');
  house.clock.advance(60_000);
  await house.api.post('/v1/dead-letters/redrive').send({ filter: { webhook_id } }).expect(202);
  const { attempts } = await deliveryOf(house, eventId, 'succeeded');
  const requests = await receiver.received(3, '/again');
  expect(requests).toHaveLength(3);
  const times = requests.map((request) => {
    const [ms, id, signature] = header(request, 'x-old').split(';') as [string, string, string];
    expect(request.body.equals(requests[0]!.body)).toBe(true);
    expect([id, header(request, 'webhook-id')]).toEqual([eventId, eventId]);
    expect(signature).toBe(hmac('secret of old', `${ms}.${eventId}.`, request.body).digest('hex'));
    expect(header(request, 'webhook-timestamp')).toBe(String(Math.floor(Number(ms) / 1000)));
    expect(header(request, 'webhook-signature').split(' ')[0]).toBe(new Webhook('secret of old', { format: 'raw' }).sign(eventId, new Date(Number(ms)), request.body));
    return Number(ms);
  });
  expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(30_000);
  expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(60_000);
  // The record shows what was sent.
  expect(attempts.map(({ request_headers }) => request_headers['X-Old'])).toEqual(requests.map((request) => header(request, 'x-old')));
});

test('a contract may take the place of our own x-webhook-signature, once, and may sign a static header, whose value stays out of the record', async () => {
  await givenWebhook(house, `${receiver.url}/instead`, {
    events: ['instead'], secret: 'secret of old', headers: { 'X-Tenant': 'planted-value' }, signature: { header: 'X-Webhook-Signature', template: 'v9={signature}', signed: '{header:x-tenant}:{body}', key: 'text' },
  });
  const eventId = await publish('instead');
  const [request] = await receiver.received(1, '/instead');
  expect(header(request!, 'x-webhook-signature')).toBe(`v9=${hmac('secret of old', 'planted-value:', request!.body).digest('hex')}`);
  const { attempts: [attempt] } = await deliveryOf(house, eventId, 'succeeded');
  expect(JSON.stringify(attempt)).not.toContain('planted-value');
  expect(attempt!.request_headers['x-webhook-signature']).toBe(header(request!, 'x-webhook-signature'));
});

test('a contract that was changed or ended is no longer sent, and a test send uses it like any other', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/changed`, { events: ['changed'], signature: GITHUB });
  const send = async (change: object): Promise<Received> => {
    await house.api.patch(`/v1/webhooks/${webhook_id}`).send(change).expect(200);
    await house.api.post(`/v1/webhooks/${webhook_id}/test`).send({}).expect(200);
    return receiver.requests.at(-1)!;
  };
  expect((await send({})).headers).toHaveProperty('x-hub-signature-256');
  const changed = await send({ signature: { ...GITHUB, header: 'X-Other' } });
  expect(changed.headers).toHaveProperty('x-other');
  expect(changed.headers).not.toHaveProperty('x-hub-signature-256');
  expect((await send({ signature: null })).headers).not.toHaveProperty('x-other');
});

test('a contract is shown with its defaults, kept by PATCH, and reset by PUT', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/shown`, { events: ['never'] });
  const shown = { ...GITHUB, signed: '{body}', algorithm: 'sha256', encoding: 'hex', separator: '', headers: {} };
  const get = async () => (await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body;
  expect(await get()).toMatchObject({ signing: ['v1'], signature: null });
  expect((await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ signature: GITHUB, signing: ['v1a'] }).expect(200)).body).toMatchObject({ signature: shown, signing: ['v1a'] });
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ description: 'x' }).expect(200);
  expect(await get()).toMatchObject({ signature: shown, signing: ['v1a'] });
  const { url, events, signing, signature } = await get();
  expect((await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url, events, signing, signature }).expect(200)).body).toMatchObject({ signature: shown, signing: ['v1a'] });
  expect((await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url: receiver.url, events: ['never'] }).expect(200)).body).toMatchObject({ signature: null, signing: ['v1'] });
});

test('headers and contract that do not go together are refused whichever comes second, and nothing is changed', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/clash`, { events: ['never'], headers: { 'x-hub-signature-256': 'static', 'x-team': 'blue' } });
  const refusal = async (change: object): Promise<string[]> => ((await house.api.patch(`/v1/webhooks/${webhook_id}`).send(change).expect(422)).body.errors as { pointer: string }[]).map(({ pointer }) => pointer);
  expect(await refusal({ signature: GITHUB })).toEqual(['/signature/header']);
  expect(await refusal({ headers: {}, signature: { ...GITHUB, signed: '{header:x-team}{body}' } })).toEqual(['/signature/signed']);
  expect(await refusal({ headers: { 'X-A': '' }, signature: { ...GITHUB, headers: { 'x-a': '' } } })).toEqual(['/signature/headers/x-a']);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ headers: { 'x-team': 'blue' }, signature: { ...GITHUB, signed: '{header:X-Team}{body}' } }).expect(200);
  expect(await refusal({ headers: { 'x-team': 'blue', 'X-HUB-signature-256': 'static' } })).toEqual(['/headers/X-HUB-signature-256']);
  expect(await refusal({ headers: {} })).toEqual(['/headers']);
  expect((await house.api.post('/v1/webhooks').send({ url: receiver.url, headers: { 'x-hub-signature-256': '' }, signature: GITHUB }).expect(422)).body.errors).toEqual([{ pointer: '/signature/header', detail: expect.any(String) }]);
  expect((await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url: receiver.url, headers: { 'x-hub-signature-256': '' }, signature: GITHUB }).expect(422)).body.errors[0].pointer).toBe('/signature/header');
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body.headers).toEqual({ 'x-team': 'blue' });
  // Of two that come together, one is refused.
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ headers: {}, signature: null }).expect(200);
  const [one, other] = await Promise.all([{ headers: { 'X-Hub-Signature-256': '' } }, { signature: GITHUB }].map((change) => house.api.patch(`/v1/webhooks/${webhook_id}`).send(change)));
  expect([one!.status, other!.status].sort()).toEqual([200, 422]);
});

test('a contract cannot set what signs in: it would be sent twice, and which of the two counts is for the receiver to say', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/sign-in`, { events: ['never'], signature: { ...GITHUB, header: 'Authorization', headers: { 'X-Key': 'k' } } });
  const refusal = async (change: object): Promise<string[]> => ((await house.api.patch(`/v1/webhooks/${webhook_id}`).send(change).expect(422)).body.errors as { pointer: string }[]).map(({ pointer }) => pointer);
  expect(await refusal({ auth: { type: 'bearer', token: 'planted' } })).toEqual(['/auth']);
  expect(await refusal({ secret_headers: { authorization: 'planted' } })).toEqual(['/secret_headers/authorization']);
  expect(await refusal({ secret_headers: { 'x-key': 'planted' } })).toEqual(['/secret_headers/x-key']);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ signature: null, auth: { type: 'oauth2', token_url: receiver.url, client_id: 'c', client_secret: 's' }, secret_headers: { 'x-key': 'planted' } }).expect(200);
  expect(await refusal({ signature: { ...GITHUB, header: 'AUTHORIZATION' } })).toEqual(['/signature/header']);
  expect(await refusal({ signature: { ...GITHUB, headers: { authorization: 'x', 'X-KEY': 'x' } } })).toEqual(['/signature/headers/X-KEY', '/signature/headers/authorization']);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ signature: { ...GITHUB, header: 'Authorization' }, auth: { type: 'none' } }).expect(200);
});

test('after a rotation ends, the contract signs with what is left', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/ends`, { events: ['ends'], secret: 'secret of old', signature: { header: 'x-s', template: '[{signature}]', separator: ',', key: 'text' } });
  await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({ overlap_hours: 1, secret: 'newer secret' }).expect(200);
  await publish('ends');
  await eventually('the first request', () => receiver.requests.length === 1);
  house.clock.advance(3_700_000);
  await publish('ends');
  const [first, second] = await receiver.received(2, '/ends');
  expect(header(first!, 'x-s')).toBe(['newer secret', 'secret of old'].map((secret) => hmac(secret, first!.body).digest('hex')).join(','));
  expect(header(second!, 'x-s')).toBe(hmac('newer secret', second!.body).digest('hex'));
});
