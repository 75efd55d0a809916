import { expect, test } from 'vitest';
import { allRequests } from '../support/docs.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();
const REQUESTS = allRequests();

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
  return ids;
}

test('the page has requests of all kinds', () => {
  expect(REQUESTS.length).toBeGreaterThan(40);
  expect(new Set(REQUESTS.map(({ method }) => method))).toEqual(new Set(['GET', 'POST', 'PATCH', 'DELETE']));
});

test.each(REQUESTS.map(({ method, path, body }, index) => ({ method, path, body, number: index + 1 })))('$method $path works as pasted (request $number of docs/webhooks.md)', async ({ method, path, body }) => {
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
