import { pino } from 'pino';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import type { Lakehook } from '../../src/app.js';
import { cloneDatabase, dropDatabase, withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenWebhook, QUICK } from '../support/given.js';
import { ADMIN_KEY, apiOf, type House, startHouse } from '../support/house.js';
import { issue } from '../support/certificates.js';
import { useReceiver } from '../support/receiver.js';
import { DENIED, useS3 } from '../support/s3.js';
import { refusal, useTokenEndpoint } from '../support/token-endpoint.js';

const receiver = useReceiver();
const idp = useTokenEndpoint();
const s3 = useS3();
const lines: string[] = [];
const printed: string[] = [];
let databaseUrl: string;
let running: Lakehook;
let house: House;

beforeAll(async () => {
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, 'write').mockImplementation((chunk) => Boolean(printed.push(String(chunk))));
  databaseUrl = await cloneDatabase(inject('postgresUrl'));
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  running = await startHouse(databaseUrl, {}, undefined, log);
  house = { url: running.url, api: apiOf(running.url, ADMIN_KEY), as: (key?: string) => apiOf(running.url, key) } as House;
});
afterAll(async () => {
  await running?.stop();
  vi.restoreAllMocks();
  await dropDatabase(inject('postgresUrl'), databaseUrl);
});

test('a whole day’s work, good and bad, leaves no secret, payload, key or query string in the log', async () => {
  const planted = { secret: 'planted-signing-secret', header: 'planted-header-value', data: 'planted-payload', metadata: 'planted-metadata', query: 'planted-query', answer: 'planted-answer', wrongKey: 'planted-wrong-key-0123456789', idempotency: 'planted-idempotency', routingKey: 'plantedroutingkey0123456789abcde' };
  receiver.answer = ({ event }) => (event.event_type === 'log.bad' ? { status: 500, body: planted.answer } : 200);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/hook?token=${planted.query}`, { events: ['log.*'], secret: planted.secret, headers: { authorization: planted.header }, retry_policy: { ...QUICK, max_retries: 1 } });
  const { secret: rotated } = (await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).send({}).expect(200)).body;
  const { key } = (await house.api.post('/v1/api-keys').set('idempotency-key', planted.idempotency).send({ name: 'k' }).expect(201)).body;
  for (const type of ['log.good', 'log.bad']) await deliveryOf(house, await givenEvent(house, type, { text: planted.data }, { metadata: { text: planted.metadata } }), type === 'log.bad' ? 'dead' : 'succeeded');
  await house.api.post(`/v1/webhooks/${webhook_id}/test`).send({}).expect(200);
  const { webhook_id: pager } = await givenWebhook(house, receiver.url, { events: ['log.*'], format: 'pagerduty', format_options: { routing_key: planted.routingKey } });
  await house.api.post(`/v1/webhooks/${pager}/test`).send({}).expect(200);
  await house.api.delete(`/v1/webhooks/${pager}`).expect(204);
  await house.api.post('/v1/webhooks').send({ url: receiver.url, format: 'slack', format_options: { routing_key: planted.routingKey, template: planted.data } }).expect(422);
  await house.as(key).get(`/v1/events?metadata.text=${planted.query}`).expect(200);
  await house.as(planted.wrongKey).get(`/v1/events?x=${planted.query}`).expect(401);
  await house.api.post('/v1/events').send({ event_type: '', data: planted.data, [planted.data]: 1 }).expect(422);
  await house.api.post('/v1/events').set('content-type', 'application/json').send(`{"${planted.data}`).expect(400);
  await house.api.post('/v1/webhooks').send({ url: `http://user:${planted.secret}@x/`, secret: planted.secret }).expect(422);

  // A bug of ours: the log must tell its cause, and still nothing of what was sent.
  await withClient(databaseUrl, (client) => client.query('ALTER TABLE events RENAME TO hidden'));
  const request = await house.api.post('/v1/events').send({ event_type: 'log.bug', data: { text: planted.data }, metadata: { text: planted.metadata } }).expect(500);
  await house.api.get(`/v1/events?metadata.text=${planted.query}`).expect(500);
  expect(JSON.stringify(request.body)).not.toMatch(/hidden|relation|select|insert/i);
  await withClient(databaseUrl, (client) => client.query('ALTER TABLE hidden RENAME TO events'));

  const failure = await eventually('the failure to be logged', () => lines.find((line) => line.includes('"request failed"') && line.includes(request.headers['x-request-id'] as string)));
  expect(failure).toMatch(/events/);
  const log = lines.join('') + printed.join('');
  for (const [what, text] of Object.entries({ ...planted, rotated, key, admin: ADMIN_KEY })) expect(log.includes(text as string), what).toBe(false);
});

test('nothing that a webhook signs in with reaches the log, whether it works or not', async () => {
  const planted = { header: 'planted-secret-header', password: 'planted-password', bearer: 'planted-bearer', client: 'planted-client-secret', token: 'planted-access-token' };
  const { certificate, key } = issue({ name: 'client' });
  idp.answer = (_, earlier) => (earlier === 0 ? { access_token: planted.token } : refusal(400, { error: 'invalid_client', error_description: planted.client }));
  receiver.answer = ({ headers }) => ({ status: 401, body: JSON.stringify(headers) });
  const auths = { basic: { type: 'basic', username: 'u', password: planted.password }, bearer: { type: 'bearer', token: planted.bearer }, oauth2: { type: 'oauth2', token_url: idp.url, client_id: 'c', client_secret: planted.client } };
  for (const [name, auth] of Object.entries(auths)) {
    const { webhook_id } = await givenWebhook(house, receiver.url, { events: [`sign.${name}`], auth, secret_headers: { 'x-key': planted.header }, retry_policy: { ...QUICK, max_retries: 1 } });
    await deliveryOf(house, await givenEvent(house, `sign.${name}`), 'dead');
    await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ auth: { ...auth, type: 'unknown' } }).expect(422);
    await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ tls: { client_certificate: certificate, client_key: key } }).expect(422);
  }
  await givenWebhook(house, receiver.url.replace('http:', 'https:'), { events: ['sign.tls'], tls: { client_certificate: certificate, client_key: key }, retry_policy: { max_retries: 0 } });
  await deliveryOf(house, await givenEvent(house, 'sign.tls'), 'dead');
  const log = lines.join('') + printed.join('');
  expect(log).toContain('"error_class":"token"');
  for (const [what, text] of Object.entries({ ...planted, key: key.split('\n')[1]! })) expect(log.includes(text), what).toBe(false);
});

test('nothing that a bucket is reached with reaches the log, whether it works or not', async () => {
  const planted = { id: s3.keys.accessKeyId, secret: s3.keys.secretAccessKey, token: 'planted-session-token', wrong: 'planted-wrong-secret' };
  const body = { name: 'lake', type: 's3', bucket: s3.bucket, region: s3.keys.region, endpoint: s3.endpoint, credentials: { access_key_id: planted.id, secret_access_key: planted.secret, session_token: planted.token } };
  const { destination_id } = (await house.api.post('/v1/datalake/destinations').send(body).expect(201)).body;
  const path = `/v1/datalake/destinations/${destination_id}`;
  await house.api.post(`${path}/test`).expect(200);
  await house.api.patch(path).send({ credentials: { ...body.credentials, session_token: 5 } }).expect(422);
  s3.fail('PutObject', DENIED);
  const { export_id } = (await house.api.post('/v1/datalake/exports').send({ dataset: 'cost_data', format: 'csv', from: '2001-01-01', to: '2001-02-01', destination_id }).expect(202)).body;
  await eventually('the export to stumble', async () => (await house.api.get(`/v1/datalake/exports/${export_id}`)).body.error as string | null ?? undefined);
  await house.api.patch(path).send({ credentials: { access_key_id: planted.id, secret_access_key: planted.wrong } }).expect(200);
  await house.api.post(`${path}/test`).expect(200);
  await house.api.post('/v1/datalake/exports').send({ dataset: 'cost_data', format: 'csv', from: '2001-01-01', to: '2001-02-01', destination_id }).expect(422);
  const log = lines.join('') + printed.join('');
  expect(log).toContain(`"export_id":"${export_id}"`);
  expect(log).toContain('403 AccessDenied');
  for (const [what, text] of Object.entries(planted)) expect(log.includes(text), what).toBe(false);
});

test('each request and each attempt leaves one line with its ids, its duration and what was decided', async () => {
  const before = lines.length;
  const answer = await house.api.post('/v1/events').set('x-request-id', 'line-1').send({ event_type: 'log.line', data: {} }).expect(202);
  await deliveryOf(house, answer.body.event_id, 'succeeded');
  const since = () => lines.slice(before).map((line) => JSON.parse(line) as Record<string, unknown>);
  const requests = since().filter(({ request_id }) => request_id === 'line-1');
  expect(requests).toEqual([expect.objectContaining({ msg: 'request', method: 'POST', route: '/v1/events', status: 202, duration_ms: expect.any(Number), tenant_id: expect.any(String), key_id: expect.any(String) })]);
  const attempts = since().filter(({ msg, event_id }) => msg === 'attempt' && event_id === answer.body.event_id);
  expect(attempts).toEqual([expect.objectContaining({ delivery_id: expect.any(String), webhook_id: expect.any(String), attempt: 1, trigger: 'event', response_status: 200, decision: 'succeeded', duration_ms: expect.any(Number) })]);
});
