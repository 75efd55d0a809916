import { expect, test } from 'vitest';
import { givenTenant } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';

const LIMITED = { WEBHOOKS_PER_TENANT: '5' };
const house = useHouse(LIMITED);
const neighbour = useNeighbour(house, LIMITED);

test('a tenant gets as many webhooks as the limit says, however many ask at once in two processes, and then a refusal that names it', async () => {
  const key = await givenTenant(house);
  const apis = [house.as(key), neighbour.as(key)];
  const make = (n: number) => apis[n % 2]!.post('/v1/webhooks').send({ url: 'http://127.0.0.1:9/' });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => make(n)));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
  for (const { body } of answers.filter(({ status }) => status !== 201)) expect(body).toMatchObject({ status: 409, code: 'conflict', detail: expect.stringContaining('5 webhooks, which is the limit (WEBHOOKS_PER_TENANT)') });
  // Another tenant has its own, and a deleted one makes room.
  await house.api.post('/v1/webhooks').send({ url: 'http://127.0.0.1:9/' }).expect(201);
  await apis[0]!.delete(`/v1/webhooks/${answers.find(({ status }) => status === 201)!.body.webhook_id}`).expect(204);
  await make(0).expect(201);
  await make(1).expect(409);
});
