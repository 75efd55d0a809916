import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';
import { useTokenEndpoint } from '../support/token-endpoint.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();
const idp = useTokenEndpoint();

const MASK = '********';
const BASIC = { type: 'basic', username: 'Aladdin', password: 'open sesame' };
const get = async (id: string) => (await house.api.get(`/v1/webhooks/${id}`).expect(200)).body;
const faultsOf = async (body: object, id?: string) => (await (id ? house.api.patch(`/v1/webhooks/${id}`) : house.api.post('/v1/webhooks')).send({ ...(!id && { url: receiver.url }), ...body }).expect(422)).body.errors;

let count = 0;
/** What a webhook with these fields sends. */
async function headersOf(fields: object) {
  const type = `signing.in.n${++count}`;
  await givenWebhook(house, `${receiver.url}/${type}`, { events: [type], ...fields });
  const { attempts } = await deliveryOf(house, await givenEvent(house, type), 'succeeded');
  return { sent: (await receiver.received(1, `/${type}`))[0]!.headers, recorded: attempts[0]!.request_headers };
}

test('without anything set there is no authorization', async () => {
  expect((await headersOf({})).sent).not.toHaveProperty('authorization');
});

test('basic and bearer are sent, and masked in the record', async () => {
  for (const [auth, header] of [[BASIC, 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='], [{ type: 'basic', username: 'sk_1', password: '' }, 'Basic c2tfMTo='], [{ type: 'bearer', token: 'abc.def' }, 'Bearer abc.def']] as const) {
    const { sent, recorded } = await headersOf({ auth });
    expect(sent.authorization).toBe(header);
    expect(recorded.authorization).toBe('(set on the webhook)');
  }
});

test('secret headers are sent beside static ones, and masked in the record', async () => {
  const { sent, recorded } = await headersOf({ headers: { 'x-team': 'blue' }, secret_headers: { 'X-Api-Key': 'k-123456' } });
  expect(sent).toMatchObject({ 'x-team': 'blue', 'x-api-key': 'k-123456' });
  expect(recorded).toMatchObject({ 'x-team': '(set on the webhook)', 'X-Api-Key': '(set on the webhook)' });
});

test('what a receiver echoes of a secret is not kept, in whatever form it echoes it', async () => {
  receiver.answer = ({ headers }) => ({ status: 200, headers: { 'x-echo': headers['x-odd'] as string }, body: JSON.stringify(headers) });
  await headersOf({ secret_headers: { 'x-odd': 'planted"back\\slash' }, auth: { ...BASIC, password: 'planted sesame' } });
  const rows = JSON.stringify(await house.sql('SELECT a::text FROM attempts a'));
  expect(rows).not.toContain('planted');
  expect(rows).not.toContain(Buffer.from('Aladdin:planted sesame').toString('base64'));
  expect(rows).toContain('(a secret of the webhook)');
});

test('secrets are never shown, and what is shown can be sent back without losing them', async () => {
  const fields = { events: ['round.trip'], secret_headers: { 'x-api-key': 'planted-key' }, auth: BASIC };
  const created = await givenWebhook(house, `${receiver.url}/round-trip`, fields);
  const shown = await get(created.webhook_id);
  expect(shown).toMatchObject({ secret_headers: { 'x-api-key': MASK }, auth: { type: 'basic', username: 'Aladdin', password: MASK }, tls: {}, tls_certificates: [] });
  expect(created).toMatchObject({ secret_headers: shown.secret_headers, auth: shown.auth });
  const { url, events, headers, secret_headers, auth, tls } = shown;
  await house.api.put(`/v1/webhooks/${created.webhook_id}`).send({ url, events, headers, secret_headers, auth, tls }).expect(200);
  await givenEvent(house, 'round.trip');
  expect((await receiver.received(1, '/round-trip'))[0]!.headers).toMatchObject({ 'x-api-key': 'planted-key', authorization: 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==' });
});

test('a mask with nothing behind it is refused', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { auth: { type: 'bearer', token: 'abc' }, is_active: false });
  const detail = 'is the mask of a secret, but none is stored';
  for (const id of [undefined, webhook_id]) {
    expect(await faultsOf({ auth: { ...BASIC, password: MASK }, secret_headers: { 'x-a/b': 'v'.repeat(3), 'x-c': MASK } }, id)).toEqual(expect.arrayContaining([{ pointer: '/secret_headers/x-c', detail }, { pointer: '/auth/password', detail }]));
  }
});

test('a changed password counts from the next attempt on, and the rest stays', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/changed`, { events: ['pw.changed'], auth: BASIC, secret_headers: { 'x-key': 'stays-here' } });
  await deliveryOf(house, await givenEvent(house, 'pw.changed'), 'succeeded');
  await neighbour.api.patch(`/v1/webhooks/${webhook_id}`).send({ auth: { ...BASIC, password: 'new' } }).expect(200);
  await deliveryOf(house, await givenEvent(house, 'pw.changed'), 'succeeded');
  const [, after] = await receiver.received(2, '/changed');
  expect(after!.headers).toMatchObject({ authorization: `Basic ${Buffer.from('Aladdin:new').toString('base64')}`, 'x-key': 'stays-here' });
  const { body } = await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url: `${receiver.url}/changed`, events: ['pw.changed'] }).expect(200);
  expect(body).toMatchObject({ auth: { type: 'none' }, secret_headers: {} });
  expect(await house.sql('SELECT credentials FROM webhooks WHERE webhook_id = $1', [webhook_id])).toEqual([{ credentials: null }]);
});

test('of two changes at the same time to what signs in neither undoes the other', async () => {
  for (let round = 0; round < 5; round++) {
    const { webhook_id } = await givenWebhook(house, receiver.url, { is_active: false });
    const patch = (body: object) => house.api.patch(`/v1/webhooks/${webhook_id}`).send(body).expect(200);
    await Promise.all([patch({ auth: BASIC }), patch({ secret_headers: { 'x-key': 'v' } })]);
    expect(await get(webhook_id)).toMatchObject({ auth: { username: 'Aladdin' }, secret_headers: { 'x-key': MASK } });
  }
});

test('two changes at the same time that do not fit together are not both taken', async () => {
  for (let round = 0; round < 5; round++) {
    const { webhook_id } = await givenWebhook(house, receiver.url, { is_active: false });
    const patch = (body: object) => house.api.patch(`/v1/webhooks/${webhook_id}`).send(body).then(({ status }) => status);
    expect((await Promise.all([patch({ auth: BASIC }), patch({ headers: { Authorization: 'mine' } })])).sort()).toEqual([200, 422]);
  }
});

test.each<[object, [string, RegExp][]]>([
  [{ auth: null }, [['/auth', /object/]]],
  [{ auth: {} }, [['/auth/type', /must be one of none, basic, bearer, oauth2/]]],
  [{ auth: { type: 'constructor' } }, [['/auth/type', /must be one of/]]],
  [{ auth: { type: 'none', token: 'x' } }, [['/auth/token', /is not known for type none/]]],
  [{ auth: { type: 'basic', username: 'a:b' } }, [['/auth/username', /without colons/], ['/auth/password', /is needed/]]],
  [{ auth: { type: 'bearer', token: 'a b' } }, [['/auth/token', /visible ASCII/]]],
  [{ auth: { type: 'bearer', token: 'a\r\nx-evil: 1' } }, [['/auth/token', /visible ASCII/]]],
  [{ auth: { type: 'bearer', token: 7 } }, [['/auth/token', /visible ASCII/]]],
  [{ auth: { type: 'oauth2', client_id: '', scope: 'a  b', client_auth: 'none' } }, [['/auth/token_url', /is needed/], ['/auth/client_id', /printable/], ['/auth/client_secret', /is needed/], ['/auth/scope', /single spaces/], ['/auth/client_auth', /"basic" or "body"/]]],
  [{ auth: { type: 'oauth2', token_url: 'ftp://x/', client_id: 'c', client_secret: 's' } }, [['/auth/token_url', /must start with https/]]],
  [{ auth: { type: 'oauth2', token_url: 'http://169.254.169.254/', client_id: 'c', client_secret: 's' } }, [['/auth/token_url', /may not reach/]]],
  [{ secret_headers: { Host: 'x', 'a b': 'c', 'x-n': 1 } }, [['/secret_headers/Host', /set by Lakehook/], ['/secret_headers/a b', /not a valid header name/], ['/secret_headers/x-n', /must be a string/]]],
  [{ secret_headers: [] }, [['/secret_headers', /object/]]],
  [{ headers: { 'X-Key': 'a' }, secret_headers: { 'x-key': 'b' } }, [['/secret_headers/x-key', /among headers too/]]],
  [{ headers: { Authorization: 'a' }, auth: BASIC }, [['/headers/Authorization', /conflicts with auth of type basic/]]],
  [{ secret_headers: { AUTHORIZATION: 'a' }, auth: BASIC }, [['/secret_headers/AUTHORIZATION', /conflicts with auth/]]],
  [{ tls: { ca_certificate: 'x', private: 1 } }, [['/tls/private', /is not known/]]],
  [{ tls: [] }, [['/tls', /object/]]],
])('%j is refused on save, with the place', async (fields, places) => {
  const faults = (await faultsOf(fields)) as { pointer: string; detail: string }[];
  expect(faults.map(({ pointer }) => pointer)).toEqual(places.map(([pointer]) => pointer));
  for (const [index, [, detail]] of places.entries()) expect(faults[index]!.detail).toMatch(detail);
});

test('a change is held against what is stored, and the pointer leads to what was given', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { auth: BASIC, secret_headers: { 'x-key': 'v' }, is_active: false });
  expect(await faultsOf({ headers: { authorization: 'x', 'X-Key': 'y' } }, webhook_id)).toEqual([
    { pointer: '/headers/X-Key', detail: 'is among secret_headers too' }, { pointer: '/headers/authorization', detail: 'conflicts with auth of type basic, which sets it' },
  ]);
  const other = await givenWebhook(house, receiver.url, { headers: { Authorization: 'x' }, is_active: false });
  expect(await faultsOf({ auth: BASIC }, other.webhook_id)).toEqual([{ pointer: '/auth', detail: 'conflicts with Authorization among headers' }]);
});

test('another tenant neither sees nor changes what a webhook signs in with, nor can its sealed text be moved', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/mine`, { events: ['tenant.mine'], auth: { type: 'bearer', token: 'planted-mine' } });
  const other = { ...house, api: house.as(await givenTenant(house)) };
  for (const method of ['get', 'put', 'patch'] as const) await other.api[method](`/v1/webhooks/${webhook_id}`).send({ url: receiver.url, auth: { type: 'bearer', token: MASK } }).expect(404);
  const theirs = await givenWebhook(other, `${receiver.url}/theirs`, { events: ['tenant.theirs'], retry_policy: { max_retries: 0 } });
  await house.sql('UPDATE webhooks SET credentials = (SELECT credentials FROM webhooks WHERE webhook_id = $1), version = version + 1 WHERE webhook_id = $2', [webhook_id, theirs.webhook_id]);
  const { attempts } = await deliveryOf(other, await givenEvent(other, 'tenant.theirs'), 'dead');
  expect(attempts).toMatchObject([{ error_class: 'secret_unreadable', response_status: null }]);
  expect(receiver.requests).toEqual([]);
});

test('two webhooks with the same client do not share a token', async () => {
  const auth = { type: 'oauth2', token_url: `${idp.url}/same`, client_id: 'c', client_secret: 'secret-of-both' };
  for (const name of ['same.a', 'same.b']) {
    await givenWebhook(house, `${receiver.url}/${name}`, { events: [name], auth });
    await deliveryOf(house, await givenEvent(house, name), 'succeeded');
  }
  expect(receiver.requests.map(({ headers }) => headers.authorization).sort()).toEqual(['Bearer token-1', 'Bearer token-2']);
});

test('who points a webhook or its token endpoint at another origin does not take the stored secrets along', async () => {
  const elsewhere = receiver.url.replace('127.0.0.1', 'localhost');
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/a`, { is_active: false, auth: BASIC, secret_headers: { 'x-key': 'planted' }, format: 'pagerduty', format_options: { routing_key: 'a'.repeat(32) } });
  const refusal = async (body: object) => ((await faultsOf(body, webhook_id)) as { pointer: string }[]).map(({ pointer }) => pointer);
  expect(await refusal({ url: elsewhere })).toEqual(['/url', '/url', '/url']);
  expect(await refusal({ url: elsewhere, auth: { ...BASIC, password: MASK }, secret_headers: { 'x-key': MASK }, format_options: { routing_key: MASK } })).toEqual(['/format_options/routing_key', '/secret_headers', '/auth']);
  expect((await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url: elsewhere, auth: { ...BASIC, password: MASK } }).expect(422)).body.errors).toMatchObject([{ pointer: '/auth' }]);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: `${receiver.url}/b` }).expect(200);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: elsewhere, auth: BASIC, secret_headers: {}, format: 'lakehook' }).expect(200);

  const auth = { type: 'oauth2', token_url: `${idp.url}/a`, client_id: 'c', client_secret: 'planted' };
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ auth }).expect(200);
  expect(await refusal({ auth: { ...auth, token_url: idp.url.replace('127.0.0.1', 'localhost'), client_secret: MASK } })).toEqual(['/auth/client_secret']);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ auth: { ...auth, token_url: `${idp.url}/b`, client_secret: MASK } }).expect(200);
});

test('a routing key that a receiver echoes is not kept either, and goes with its webhook, like headers', async () => {
  receiver.answer = ({ body }) => ({ status: 200, body: body.toString() });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/echo-key`, { events: ['echo.key'], headers: { 'x-a': 'b' }, format: 'pagerduty', format_options: { routing_key: 'planted0'.repeat(4) } });
  const { attempts } = await deliveryOf(house, await givenEvent(house, 'echo.key'), 'succeeded');
  expect(attempts[0]!.response_body).toContain('"routing_key":"(a secret of the webhook)"');
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  expect(await house.sql('SELECT headers, format_options, credentials FROM webhooks WHERE webhook_id = $1', [webhook_id])).toEqual([{ headers: null, format_options: null, credentials: null }]);
});

test('none of it stands readable in the database, and deleting the webhook deletes it', async () => {
  const planted = { secret_headers: { 'x-key': 'planted-header' }, auth: { type: 'oauth2', token_url: `${idp.url}/planted`, client_id: 'c', client_secret: 'planted-client-secret' } };
  const { webhook_id } = (await house.api.post('/v1/webhooks').set('idempotency-key', 'dump-1').send({ url: `${receiver.url}/dump`, events: ['dump'], ...planted }).expect(201)).body;
  idp.answer = () => ({ access_token: 'planted-token' });
  await deliveryOf(house, await givenEvent(house, 'dump'), 'succeeded');
  const tables = await house.sql<{ name: string }>("SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables WHERE schemaname IN ('public', 'pgboss')");
  expect(tables.length).toBeGreaterThan(20);
  for (const { name } of tables) expect(JSON.stringify(await house.sql(`SELECT t::text AS row FROM ${name} t`)), name).not.toContain('planted-');
  expect(await house.sql('SELECT FROM webhooks WHERE webhook_id = $1 AND credentials IS NOT NULL', [webhook_id])).toHaveLength(1);
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  expect(await house.sql('SELECT FROM webhooks WHERE webhook_id = $1 AND credentials IS NOT NULL', [webhook_id])).toHaveLength(0);
});
