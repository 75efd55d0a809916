import { expect, inject, test } from 'vitest';
import { cloneDatabase, dropDatabase } from '../support/database.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { apiOf, startHouse, useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

test('a house that runs is live and ready, and says which parts it asked', async () => {
  expect((await house.as().get('/livez').expect(200)).body).toEqual({ status: 'ok' });
  expect((await house.as().get('/readyz').expect(200)).body).toEqual({ status: 'ok', checks: { database: 'ok', dispatcher: 'ok', spool: 'ok' } });
});

test('the metrics have the series that dashboards and alerts stand on', async () => {
  await givenWebhook(house, `${receiver.url}/metrics`, { events: ['metrics'] });
  await deliveryOf(house, await givenEvent(house, 'metrics', {}, { event_id: 'm-1' }), 'succeeded');
  await givenEvent(house, 'metrics', {}, { event_id: 'm-1' });
  const { text } = await house.as().get('/metrics').expect(200).expect('content-type', /^text\/plain/);
  const value = (series: string): number => Number(text.split('\n').find((line) => line.startsWith(`${series} `))?.slice(series.length + 1));
  expect(value('lakehook_events_appended_total')).toBe(1);
  expect(value('lakehook_events_duplicate_total')).toBe(1);
  expect(value('lakehook_deliveries_created_total')).toBe(1);
  expect(value('lakehook_delivery_attempt_seconds_count{outcome="succeeded"}')).toBe(1);
  expect(value('lakehook_delivery_attempts_in_flight')).toBe(0);
  expect(value('lakehook_dead_letters')).toBe(0);
  expect(value('lakehook_http_request_seconds_count{method="POST",route="/v1/events",status="202"}')).toBe(2);
  for (const series of ['lakehook_append_batch_events_count', 'lakehook_append_seconds_count', 'lakehook_delivery_seconds_count', 'lakehook_delivery_queue_deliveries', 'lakehook_delivery_queue_oldest_due_seconds', 'lakehook_deliveries_dead_total', 'lakehook_claims_taken_over_total', 'lakehook_spool_bytes', 'lakehook_events_spooled_total', 'lakehook_events_drained_total', 'process_cpu_seconds_total']) {
    expect(value(series), series).not.toBeNaN();
  }
  expect(text).toMatch(/lakehook_job_seconds_count\{queue="delivery\.fan-out",outcome="completed"\} [1-9]/);
});

test('a path that names a tenant’s thing does not become a series of its own', async () => {
  await house.api.get('/v1/events/some-secret-id').expect(404);
  await house.api.get('/nothing/here').expect(404);
  const { text } = await house.as().get('/metrics').expect(200);
  expect(text).not.toContain('some-secret-id');
  expect(text).not.toContain('/nothing/here');
});

test('a request id of the caller is echoed; an odd one is replaced', async () => {
  const echo = async (id: string): Promise<string> => (await house.as().get('/livez').set('x-request-id', id)).headers['x-request-id'] as string;
  for (const id of ['abc-123', 'a'.repeat(128), '{"x":1}']) expect(await echo(id)).toBe(id);
  for (const id of ['', 'with space', 'a'.repeat(129), 'ünï']) expect(await echo(id)).toMatch(/^[0-9a-f-]{36}$/);
  const ids = await Promise.all([1, 2].map(async () => (await house.as().get('/livez')).headers['x-request-id']));
  expect(ids[0]).not.toBe(ids[1]);
  // Refusals carry one too.
  expect((await house.as().get('/v1/events').set('x-request-id', 'mine').expect(401)).headers['x-request-id']).toBe('mine');
});

test('every route answers under /api as under /v1', async () => {
  const { body } = await house.api.post('/api/webhooks').send({ url: receiver.url, events: ['never'] }).expect(201);
  const [api, v1] = await Promise.all([`/api/webhooks/${body.webhook_id}`, `/v1/webhooks/${body.webhook_id}`].map((path) => house.api.get(path).expect(200)));
  expect(api!.body).toEqual(v1!.body);
  expect((await house.api.get('/api/events?limit=1').expect(200)).body.data).toHaveLength(1);
  expect((await house.api.post('/api/events').send({}).expect(422)).body.code).toBe('invalid');
  await house.as().get('/api/events').expect(401);
  await house.api.get('/api/v1/events').expect(404);
});

test('the API describes itself, for machines and for people', async () => {
  const { body } = await house.as().get('/openapi.json').expect(200).expect('content-type', /^application\/json/);
  expect(body).toMatchObject({ openapi: expect.stringMatching(/^3\./), info: { title: 'Lakehook' } });
  for (const [path, operations] of Object.entries(body.paths as Record<string, Record<string, { summary?: string; description?: string; responses: Record<string, unknown> }>>)) {
    for (const [method, { responses }] of Object.entries(operations)) {
      expect(Object.keys(responses), `${method} ${path}`).toContain('default');
      expect(Object.keys(responses).some((status) => status.startsWith('2')), `${method} ${path}`).toBe(true);
    }
  }
  const refs = JSON.stringify(body).match(/"#\/components\/schemas\/(\w+)"/g)!.map((ref) => ref.split('/').at(-1)!.slice(0, -1));
  for (const name of new Set(refs)) expect(Object.keys(body.components.schemas), name).toContain(name);
  const page = await house.as().get('/docs').expect(200).expect('content-type', /^text\/html/);
  expect(page.text).toContain('<title>Lakehook API</title>');
  for (const [, asset] of page.text.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)) await house.as().get(new URL(asset!, `${house.url}/docs`).pathname).expect(200);
});

test('a house in the role `api` serves and queues; one in the role `worker` delivers', async () => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await cloneDatabase(postgresUrl);
  const front = await startHouse(databaseUrl, { ROLE: 'api' });
  const frontHouse = { ...house, api: apiOf(front.url, 'admin-key-of-the-tests-0123456789') };
  await givenWebhook(frontHouse, `${receiver.url}/roles`, { events: ['roles'] });
  const eventId = await givenEvent(frontHouse, 'roles');
  expect((await frontHouse.api.get(`/v1/events/${eventId}`).expect(200)).body.deliveries).toEqual([]);
  const worker = await startHouse(databaseUrl, { ROLE: 'worker' });
  try {
    await deliveryOf(frontHouse, eventId, 'succeeded');
    await apiOf(worker.url).get('/livez').expect(200);
    await apiOf(worker.url).get('/readyz').expect(200);
  } finally {
    await worker.stop();
    await front.stop();
    await dropDatabase(postgresUrl, databaseUrl);
  }
});
