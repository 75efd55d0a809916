import { expect, test } from 'vitest';
import { exported, givenCosts } from '../datalake/support.js';
import { allRequests } from '../support/docs.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { givenSource, push } from '../support/provider.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();
const REQUESTS = ['webhooks.md', 'ingest.md', 'datalake.md'].flatMap((page) => allRequests(page).map((request, index) => ({ ...request, page, number: index + 1 })));

/** What to put for each placeholder that a request names: things made for it, in the state that it is about. */
async function givenPlaceholders(text: string): Promise<Record<string, string>> {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/fails`, { events: ['documented'], ordered: true, retry_policy: { max_retries: 0 } });
  const ids: Record<string, string> = { '<webhook_id>': webhook_id };
  if (text.includes('<secret_id>')) {
    ids['<secret_id>'] = (await house.api.get(`/v1/webhooks/${webhook_id}/secrets`).expect(200)).body.data[0].secret_id;
    await house.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).expect(200);
  }
  // A recovery waits for five seconds before it ends.
  if (text.includes('<resend_id>')) ids['<resend_id>'] = (await house.api.post(`/v1/webhooks/${webhook_id}/recover`).send({ since: '2026-01-01T00:00:00Z' }).expect(202)).body.resend_id;
  if (text.includes('<delivery_id>')) ids['<delivery_id>'] = (await deliveryOf(house, await givenEvent(house, 'documented'), 'dead', webhook_id)).delivery_id;
  if (text.includes('<export_id>')) {
    await givenCosts(house, '2026-11-01', 1, 3);
    ids['<export_id>'] = (await exported(house.api, '2026-11-01', '2026-11-02')).export_id;
  }
  if (text.includes('<destination_id>')) ids['<destination_id>'] = (await house.api.post('/v1/datalake/destinations').send({ name: 'documented', type: 'disk' }).expect(201)).body.destination_id;
  if (text.includes('<schedule_id>')) ids['<schedule_id>'] = (await house.api.post('/v1/datalake/schedules').send({ name: 'documented', cadence: 'daily', export: { dataset: 'cost_data', format: 'parquet' } }).expect(201)).body.schedule_id;
  if (text.includes('<source_id>') || text.includes('<event_id>')) Object.assign(ids, await givenInbound());
  return ids;
}

/** A source with an event, a conflict and something in quarantine. */
async function givenInbound(): Promise<Record<string, string>> {
  const source = await givenSource(house);
  const path = `/v1/sources/${source.source_id}`;
  const event = (await push(house, source, '{"n":1}', { id: 'documented' }).expect(202)).body.event_id;
  await push(house, source, '{"n":2}', { id: 'documented' }).expect(202);
  await push(house, source, '{}', { secret: 'another' }).expect(401);
  const conflict = (await house.api.get(`${path}/conflicts`).expect(200)).body.data[0].conflict_id;
  const quarantined = await eventually('something in quarantine', async () => (await house.api.get(`${path}/quarantine`)).body.data[0]?.quarantine_id as string | undefined);
  return { '<source_id>': source.source_id, '<event_id>': event, '<conflict_id>': conflict, '<quarantine_id>': quarantined };
}

test('the pages have requests of all kinds', () => {
  expect(REQUESTS.length).toBeGreaterThan(40);
  expect(new Set(REQUESTS.map(({ method }) => method))).toEqual(new Set(['GET', 'POST', 'PATCH', 'DELETE']));
});

test.each(REQUESTS)('$method $path works as pasted (request $number of docs/$page)', async ({ method, path, body }) => {
  receiver.answer = ({ path: to }) => (to === '/fails' ? 500 : 200);
  const ids = await givenPlaceholders(path + JSON.stringify(body));
  const filled = (text: string): string => Object.entries(ids).reduce((whole, [name, id]) => whole.replaceAll(name, id), text).replaceAll(/("(?:token_)?url":)"https:\/\/[^"/]+/g, `$1"${receiver.url}`);
  const request = house.api[method.toLowerCase() as 'get'](filled(path));
  const answer = await (body ? request.send(JSON.parse(filled(JSON.stringify(body))) as object) : request);
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
});

test('each request of docs/event-types.md works as pasted, one after another', async () => {
  const requests = allRequests('event-types.md');
  expect(requests.length).toBeGreaterThanOrEqual(9);
  for (const { method, path, body } of requests) {
    const request = house.api[method.toLowerCase() as 'get'](path);
    const answer = await (body ? request.send(body) : request);
    expect(answer.status, `${method} ${path} ${JSON.stringify(answer.body)}`).toBeLessThan(300);
  }
});
