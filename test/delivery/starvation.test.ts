import { expect, test } from 'vitest';
import { givenWebhook } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

// One claim takes one delivery: who is first in it decides.
const house = useHouse({ DELIVERY_CONCURRENCY: '1' });
const receiver = useReceiver();

test('when more waits than can be sent, webhooks of every age get their turn', async () => {
  const hooks: string[] = [];
  for (let n = 0; n < 4; n++) hooks.push((await givenWebhook(house, `${receiver.url}/${n}`, { events: ['crowd'], is_active: false })).webhook_id);
  await house.api.post('/v1/events').send({ events: Array.from({ length: 40 }, () => ({ event_type: 'crowd', data: {} })) }).expect(202);
  await eventually('all to wait', async () => (await house.sql('SELECT FROM delivery_queue')).length === 160);
  await house.sql('UPDATE webhooks SET is_active = true, version = version + 1 WHERE webhook_id = ANY($1::uuid[])', [hooks]);
  // Half of all: were one webhook always before another, two of the four would have had nothing yet. By chance, one in 2 billion.
  await receiver.received(80);
  expect(new Set(receiver.requests.slice(0, 80).map(({ path }) => path))).toEqual(new Set(['/0', '/1', '/2', '/3']));
  await receiver.received(160);
});
