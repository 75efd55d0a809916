import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { type Api, useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

const MISSING = '018f4e2a-0000-7abc-8def-0123456789ab';
let names = 0;

/** A key with these scopes, and its id. */
async function givenKey(...scopes: string[]): Promise<{ api: Api; key: string; keyId: string }> {
  const { key, key_id } = (await house.api.post('/v1/api-keys').send({ name: 'of a test', scopes }).expect(201)).body;
  return { api: house.as(key), key, keyId: key_id };
}
const givenPartner = async (api: Api = house.api): Promise<string> => (await api.post('/v1/partners').send({ name: `partner ${++names}` }).expect(201)).body.partner_id;
const request = async (partner_id: string, webhook_id: string, events: string[], api: Api = house.api): Promise<string> => (await api.post('/v1/subscriptions').send({ partner_id, webhook_id, events }).expect(201)).body.subscription_id;
const step = (id: string, verb: 'approve' | 'reject' | 'cancel', api: Api, body: object = {}) => api.post(`/v1/subscriptions/${id}/${verb}`).send(body);
const status = async (id: string): Promise<string> => (await house.api.get(`/v1/subscriptions/${id}`).expect(200)).body.status;
const actions = async (id: string): Promise<string[]> => (await house.api.get(`/v1/audit-log?subject_id=${id}`).expect(200)).body.data.map(({ action }: { action: string }) => action).toReversed();
const news = async (id: string): Promise<string[]> => (await house.sql<{ event_type: string }>("SELECT event_type FROM events WHERE data ->> 'subscription_id' = $1 ORDER BY recorded_at, event_id", [id])).map(({ event_type }) => event_type);

/** A partner, a webhook of theirs at `path`, and somebody else who can approve. */
async function givenRequest(path: string, events: string[], webhookEvents: string[] = ['*']) {
  const partnerId = await givenPartner();
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/${path}`, { events: webhookEvents, partner_id: partnerId });
  const approver = await givenKey('subscriptions:approve', 'subscriptions:write');
  return { partnerId, webhookId: webhook_id, approver, id: await request(partnerId, webhook_id, events) };
}

/** Publishes events of these types and one that everybody watching gets, and answers what the path has received by then. */
async function typesAt(path: string, types: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const type of types) ids.push(await givenEvent(house, type));
  // Fan-out takes batches in turn: what comes after them has been matched later.
  const watcher = await givenWebhook(house, `${receiver.url}/watcher`, { events: ['watched'] });
  await deliveryOf(house, await givenEvent(house, 'watched'), 'succeeded', watcher.webhook_id);
  await house.api.delete(`/v1/webhooks/${watcher.webhook_id}`).expect(204);
  await eventually('what was made to be delivered', async () => (await house.sql('SELECT FROM delivery_queue')).length === 0);
  return receiver.requests.filter((received) => received.path === `/${path}` && ids.includes(received.event.event_id)).map(({ event }) => event.event_type).sort();
}

test('a partner is made, listed, changed and deleted', async () => {
  const made = (await house.api.post('/v1/partners').send({ name: 'Acme', contact: 'ops@acme.example', metadata: { tier: 1 } }).expect(201)).body;
  expect(made).toEqual({ partner_id: expect.any(String), name: 'Acme', contact: 'ops@acme.example', metadata: { tier: 1 }, created_at: expect.any(String), updated_at: expect.any(String) });
  const path = `/v1/partners/${made.partner_id}`;
  expect((await house.api.get(path).expect(200)).body).toEqual(made);
  expect((await house.api.patch(path).send({ contact: 'new' }).expect(200)).body).toMatchObject({ name: 'Acme', contact: 'new', metadata: { tier: 1 } });
  expect((await house.api.get('/v1/partners?limit=1').expect(200)).body.data[0].partner_id).toBe(made.partner_id);
  await house.api.delete(path).expect(204);
  for (const method of ['get', 'patch', 'delete'] as const) await house.api[method](path).expect(404);
  expect(await actions(made.partner_id)).toEqual(['partner.created', 'partner.changed', 'partner.deleted']);
  expect(JSON.stringify(await house.sql('SELECT a::text FROM audit_log a'))).not.toContain('acme.example');
});

test('a request is approved by another key, and from then on its events are delivered', async () => {
  const { id, webhookId, partnerId, approver } = await givenRequest('approved', ['cost.*']);
  expect(await typesAt('approved', ['cost.before', 'other'])).toEqual([]);
  const { body } = await step(id, 'approve', approver.api).expect(200);
  expect(body).toEqual({
    subscription_id: id, partner_id: partnerId, webhook_id: webhookId, events: ['cost.*'], note: '', status: 'approved', requested_by: expect.any(String), created_at: expect.any(String),
    decided_by: approver.keyId, decided_at: expect.any(String), cancelled_by: null, cancelled_at: null, reason: null,
  });
  expect(await typesAt('approved', ['cost.after', 'other'])).toEqual(['cost.after']);
  expect(await actions(id)).toEqual(['subscription.requested', 'subscription.approved']);
  expect(await news(id)).toEqual(['subscription.requested', 'subscription.approved']);
});

test('who requested a subscription cannot approve it, not even with every scope', async () => {
  const partnerId = await givenPartner();
  const { webhook_id } = await givenWebhook(house, receiver.url, { partner_id: partnerId });
  const requester = await givenKey('*');
  const id = await request(partnerId, webhook_id, ['a'], requester.api);
  expect((await step(id, 'approve', requester.api).expect(409)).body).toMatchObject({ code: 'conflict', detail: expect.stringContaining('another key') });
  expect(await status(id)).toBe('pending');
  await step(id, 'approve', house.api).expect(200);
});

test('deciding needs a scope of its own, which requesting does not give', async () => {
  const { id } = await givenRequest('scoped', ['a']);
  const writer = await givenKey('subscriptions:write', 'subscriptions:read');
  for (const verb of ['approve', 'reject'] as const) expect((await step(id, verb, writer.api, { reason: 'x' }).expect(403)).body.detail).toContain('subscriptions:approve');
  const approver = await givenKey('subscriptions:approve');
  await approver.api.post('/v1/subscriptions').send({}).expect(403);
  await step(id, 'cancel', approver.api).expect(403);
});

test('a webhook of a partner receives what both its own events and an approved subscription choose', async () => {
  const { id, partnerId, webhookId, approver } = await givenRequest('both', ['b.*', 'webhook.*'], ['b.one', 'c', 'd', 'webhook.custom', '*']);
  await step(id, 'approve', approver.api).expect(200);
  const second = await request(partnerId, webhookId, ['c']);
  await step(second, 'approve', approver.api).expect(200);
  await request(partnerId, webhookId, ['d']);
  expect(await typesAt('both', ['b.one', 'b.two', 'c', 'd', 'webhook.custom'])).toEqual(['b.one', 'b.two', 'c', 'webhook.custom']);
  await house.api.patch(`/v1/webhooks/${webhookId}`).send({ events: ['b.two', 'd'] }).expect(200);
  expect(await typesAt('both', ['b.one', 'b.two', 'c', 'd'])).toEqual(['b.two']);
});

test('a webhook of nobody receives its own events until a first subscription of it is approved, and then belongs to that partner', async () => {
  const [one, two] = [await givenPartner(), await givenPartner()];
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/joined`, { events: ['j.*'] });
  const approver = await givenKey('subscriptions:approve');
  const [ofOne, ofTwo] = [await request(one, webhook_id, ['j.a']), await request(two, webhook_id, ['j.b'])];
  expect(await typesAt('joined', ['j.a', 'j.b'])).toEqual(['j.a', 'j.b']);
  await step(ofOne, 'approve', approver.api).expect(200);
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body.partner_id).toBe(one);
  expect((await step(ofTwo, 'approve', approver.api).expect(409)).body.detail).toContain('another partner');
  expect((await house.api.post('/v1/subscriptions').send({ partner_id: two, webhook_id, events: ['j.b'] }).expect(409)).body.detail).toContain('another partner');
  expect(await typesAt('joined', ['j.a', 'j.b'])).toEqual(['j.a']);
});

test('a cancelled subscription makes nothing new; what was made before is still delivered', async () => {
  const { id, webhookId, approver } = await givenRequest('ended', ['e'], ['e']);
  await step(id, 'approve', approver.api).expect(200);
  await house.api.patch(`/v1/webhooks/${webhookId}`).send({ is_active: false }).expect(200);
  const waiting = await givenEvent(house, 'e');
  await deliveryOf(house, waiting, 'pending', webhookId);
  const { body } = await step(id, 'cancel', house.api, { reason: 'contract ended' }).expect(200);
  expect(body).toMatchObject({ status: 'cancelled', reason: 'contract ended', decided_by: approver.keyId, cancelled_by: expect.any(String), cancelled_at: expect.any(String) });
  await house.api.patch(`/v1/webhooks/${webhookId}`).send({ is_active: true }).expect(200);
  await deliveryOf(house, waiting, 'succeeded', webhookId);
  expect(await typesAt('ended', ['e'])).toEqual([]);
  expect(await news(id)).toEqual(['subscription.requested', 'subscription.approved', 'subscription.cancelled']);
});

test('what has ended is not sent again once no approved subscription names it, and a trial says so', async () => {
  const { id, webhookId, approver } = await givenRequest('again', ['e'], ['e']);
  const trial = async (): Promise<boolean> => (await house.api.post(`/v1/webhooks/${webhookId}/filter/test`).send({ event: { event_type: 'e', data: {} } }).expect(200)).body.matches_events;
  expect(await trial()).toBe(false);
  await step(id, 'approve', approver.api).expect(200);
  expect(await trial()).toBe(true);
  const { delivery_id } = await deliveryOf(house, await givenEvent(house, 'e'), 'succeeded', webhookId);
  await house.api.post(`/v1/deliveries/${delivery_id}/retry`).expect(202);
  await eventually('it to be sent again', () => receiver.requests.filter(({ path }) => path === '/again').length === 2);
  await eventually('that to be recorded', async () => (await house.api.get(`/v1/deliveries/${delivery_id}`)).body.status === 'succeeded');
  await step(id, 'cancel', house.api).expect(200);
  expect((await house.api.post(`/v1/deliveries/${delivery_id}/retry`).expect(409)).body.detail).toMatch(/No approved subscription/);
  expect(receiver.requests.filter(({ path }) => path === '/again')).toHaveLength(2);
});

test('a replay to a webhook of a partner counts and sends only what is approved, named events too', async () => {
  const partner = await givenPartner();
  const { webhook_id } = (await house.api.post('/v1/webhooks').send({ url: `${receiver.url}/named`, partner_id: partner, events: ['named.*'] }).expect(201)).body;
  await step(await request(partner, webhook_id, ['named.yes'], (await givenKey('*')).api), 'approve', house.api).expect(200);
  const event_ids = [await givenEvent(house, 'named.yes'), await givenEvent(house, 'named.no')];
  await receiver.received(1, '/named');
  const replay = async (body: object) => (await house.api.post(`/v1/webhooks/${webhook_id}/replay`).send(body).expect(202)).body;
  expect(await replay({ event_ids, dry_run: true })).toMatchObject({ count: 1 });
  const { resend_id } = await replay({ event_ids });
  await eventually('the replay to end', async () => (await house.api.get(`/v1/resends/${resend_id}`)).body.status === 'succeeded');
  await receiver.received(2, '/named');
  expect(receiver.requests.filter(({ path }) => path === '/named').map(({ event }) => event.event_type)).toEqual(['named.yes', 'named.yes']);
});

test('every other step is refused with the state it is in', async () => {
  const { id: rejected, approver } = await givenRequest('states', ['a']);
  expect((await step(rejected, 'reject', approver.api, { reason: 'not this quarter' }).expect(200)).body).toMatchObject({ status: 'rejected', reason: 'not this quarter' });
  const { id: approved, approver: other } = await givenRequest('states', ['a']);
  await step(approved, 'approve', other.api).expect(200);
  const { id: cancelled } = await givenRequest('states', ['a']);
  await step(cancelled, 'cancel', house.api).expect(200);
  for (const [id, state, verbs] of [[rejected, 'rejected', ['approve', 'reject', 'cancel']], [approved, 'approved', ['approve', 'reject']], [cancelled, 'cancelled', ['approve', 'reject', 'cancel']]] as const) {
    for (const verb of verbs) expect((await step(id, verb, approver.api, verb === 'approve' ? {} : { reason: 'x' }).expect(409)).body.detail, `${state} ${verb}`).toContain(`is ${state}.`);
    expect(await status(id)).toBe(state);
  }
  expect(await actions(rejected)).toEqual(['subscription.requested', 'subscription.rejected']);
  expect(await news(cancelled)).toEqual(['subscription.requested', 'subscription.cancelled']);
});

test('of approvals and cancellations at the same time each change happens once, and all agree on the end', async () => {
  for (let round = 0; round < 6; round++) {
    const { id, approver } = await givenRequest('race', ['race']);
    const there = neighbour.as(approver.key);
    const answers = await Promise.all([step(id, 'approve', approver.api), step(id, 'approve', there), step(id, 'cancel', approver.api), step(id, 'approve', approver.api), step(id, 'cancel', there), step(id, 'reject', there, { reason: 'r' })]);
    for (const { status: code, body } of answers) if (code !== 200) expect([code, body.detail]).toEqual([409, expect.stringMatching(/^The subscription is (approved|rejected|cancelled)\./)]);
    const end = await status(id);
    const expected = ['subscription.requested', ...answers.filter(({ status: code }) => code === 200).map(({ body }) => `subscription.${body.status}`)];
    const told = await actions(id);
    expect(told.at(-1)).toBe(`subscription.${end}`);
    expect([...told].sort()).toEqual(expected.sort());
    expect((await news(id)).sort()).toEqual(expected);
    expect(new Set(told).size).toBe(told.length);
  }
  expect((await house.api.get('/v1/audit-log/verify').expect(200)).body.valid).toBe(true);
});

test('deleting a webhook cancels its subscriptions, also one that is being approved', async () => {
  for (let round = 0; round < 5; round++) {
    const { id, webhookId, approver } = await givenRequest('deleted', ['d']);
    const [, approval] = await Promise.all([house.api.delete(`/v1/webhooks/${webhookId}`).expect(204), step(id, 'approve', neighbour.as(approver.key))]);
    expect([200, 409]).toContain(approval.status);
    expect((await house.api.get(`/v1/subscriptions/${id}`).expect(200)).body).toMatchObject({ status: 'cancelled', reason: 'Its webhook was deleted.' });
    await step(id, 'approve', approver.api).expect(409);
    expect((await actions(id)).at(-1)).toBe('subscription.cancelled');
    await house.api.post('/v1/subscriptions').send({ partner_id: MISSING, webhook_id: webhookId, events: ['d'] }).expect(422);
  }
});

test('a partner with something left cannot be deleted, and of a deletion and a request at the same time one wins', async () => {
  const { id, webhookId, partnerId } = await givenRequest('kept', ['k']);
  expect((await house.api.delete(`/v1/partners/${partnerId}`).expect(409)).body.detail).toContain('1 webhook(s) and 1 pending or approved');
  await step(id, 'cancel', house.api).expect(200);
  await house.api.delete(`/v1/partners/${partnerId}`).expect(409);
  await house.api.delete(`/v1/webhooks/${webhookId}`).expect(204);
  await house.api.delete(`/v1/partners/${partnerId}`).expect(204);
  for (let round = 0; round < 6; round++) {
    const partner = await givenPartner();
    const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
    const [gone, asked] = await Promise.all([neighbour.api.delete(`/v1/partners/${partner}`), house.api.post('/v1/subscriptions').send({ partner_id: partner, webhook_id, events: ['k'] })]);
    expect([[204, 422], [409, 201]]).toContainEqual([gone.status, asked.status]);
  }
});

test('news of subscriptions reach who asks for them by name, not the webhook they are about, and not `*`', async () => {
  await givenWebhook(house, `${receiver.url}/news`, { events: ['subscription.*'] });
  await givenWebhook(house, `${receiver.url}/everything`, { events: ['*'] });
  const { id, webhookId, partnerId, approver } = await givenRequest('told', ['subscription.*', 't']);
  await step(id, 'approve', approver.api).expect(200);
  const [requested, approved] = (await receiver.received(2, '/news')).map(({ event }) => event);
  expect([requested!.event_type, approved!.event_type].sort()).toEqual(['subscription.approved', 'subscription.requested']);
  expect([requested, approved].find((event) => event!.event_type === 'subscription.approved')!.data).toEqual({ subscription_id: id, partner_id: partnerId, webhook_id: webhookId, events: ['subscription.*', 't'], status: 'approved', reason: null });
  expect(await typesAt('told', ['t'])).toEqual(['t']);
  expect(receiver.requests.filter(({ path, event }) => path !== '/news' && event.event_type.startsWith('subscription.'))).toEqual([]);
});

test('a change whose event cannot be stored is not made and leaves no record', async () => {
  const { id, approver } = await givenRequest('atomic', ['a']);
  await house.sql("CREATE FUNCTION refuse_news() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.event_type = 'subscription.approved' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$");
  await house.sql('CREATE TRIGGER refuse_news BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse_news()');
  await step(id, 'approve', approver.api).expect(500);
  await house.sql('DROP TRIGGER refuse_news ON events');
  expect([await status(id), await actions(id)]).toEqual(['pending', ['subscription.requested']]);
  await step(id, 'approve', approver.api).expect(200);
});

test('neither partner nor webhook of another tenant can be named, in either direction', async () => {
  const other = house.as(await givenTenant(house));
  const mine = { partner: await givenPartner(), webhook: (await givenWebhook(house, receiver.url, { events: ['never'] })).webhook_id };
  const theirs = { partner: await givenPartner(other), webhook: (await givenWebhook({ ...house, api: other }, receiver.url, { events: ['never'] })).webhook_id };
  for (const [api, own, foreign] of [[house.api, mine, theirs], [other, theirs, mine]] as const) {
    const pointers = async (body: object) => (await api.post('/v1/subscriptions').send({ events: ['a'], ...body }).expect(422)).body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(await pointers({ partner_id: own.partner, webhook_id: foreign.webhook })).toEqual(['/webhook_id']);
    expect(await pointers({ partner_id: foreign.partner, webhook_id: own.webhook })).toEqual(['/partner_id']);
    const refused = await api.post('/v1/webhooks').send({ url: receiver.url, partner_id: foreign.partner }).expect(422);
    expect(refused.body.errors).toEqual([expect.objectContaining({ pointer: '/partner_id' })]);
  }
});

test('an approval of one tenant lets nothing of another through', async () => {
  const { id, approver } = await givenRequest('mine-only', ['shared'], ['shared']);
  await step(id, 'approve', approver.api).expect(200);
  const other = { ...house, api: house.as(await givenTenant(house)) };
  await givenEvent(other, 'shared');
  expect(await typesAt('mine-only', ['shared'])).toEqual(['shared']);
  expect(receiver.requests.filter(({ path }) => path === '/mine-only')).toHaveLength(1);
});

test('subscriptions are listed by status, partner and webhook', async () => {
  const { id, partnerId, webhookId, approver } = await givenRequest('listed', ['a']);
  const second = await request(partnerId, webhookId, ['b']);
  await step(id, 'approve', approver.api).expect(200);
  const list = async (query: string): Promise<string[]> => (await house.api.get(`/v1/subscriptions?${query}`).expect(200)).body.data.map(({ subscription_id }: { subscription_id: string }) => subscription_id);
  expect(await list(`partner_id=${partnerId}`)).toEqual([second, id]);
  expect(await list(`webhook_id=${webhookId}&status=approved`)).toEqual([id]);
  expect(await list(`webhook_id=${webhookId}&status=pending`)).toEqual([second]);
  expect(await list(`webhook_id=${MISSING}`)).toEqual([]);
  const { body } = await house.api.get(`/v1/subscriptions?partner_id=${partnerId}&limit=1`).expect(200);
  expect((await house.api.get(`/v1/subscriptions?partner_id=${partnerId}&limit=1&cursor=${body.next_cursor}`).expect(200)).body.data[0].subscription_id).toBe(id);
});
