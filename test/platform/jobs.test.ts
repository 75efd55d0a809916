import { expect, inject, test } from 'vitest';
import { Events } from '../../src/events/index.js';
import { defineQueue, HotLane } from '../../src/platform/index.js';
import { queues } from '../../src/platform/jobs/queue.js';
import { cloneDatabase, dropDatabase } from '../support/database.js';
import { givenEvent, givenTenant } from '../support/given.js';
import { startHouse, useHouse } from '../support/house.js';

// Publishes and queues, works nothing: what is queued stays to be looked at.
const house = useHouse({ ROLE: 'api' });
const jobs = async (): Promise<string[]> => (await house.sql<{ data: string }>("SELECT data::text AS data FROM pgboss.job WHERE name = 'delivery.fan-out' ORDER BY created_on")).map(({ data }) => data);
const NEW = { eventType: 'outbox', data: '{"planted":"payload"}', metadata: '{}' };

test('an event and the job that announces it commit together', async () => {
  const { tenant_id } = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants'))[0]!;
  const before = (await jobs()).length;
  await house.app.get(HotLane).transaction((lane) => house.app.get(Events).append(lane, tenant_id, [{ ...NEW, eventId: 'kept' }]));
  expect(await jobs()).toHaveLength(before + 1);
  expect((await jobs()).at(-1)).toContain('kept');
});

test('a rollback leaves neither the event nor its job', async () => {
  const { tenant_id } = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants'))[0]!;
  const before = await jobs();
  await expect(house.app.get(HotLane).transaction(async (lane) => {
    await house.app.get(Events).append(lane, tenant_id, [{ ...NEW, eventId: 'rolled-back' }]);
    throw new Error('changed my mind');
  })).rejects.toThrow('changed my mind');
  expect(await jobs()).toEqual(before);
  await house.api.get('/v1/events/rolled-back').expect(404);
});

test('a job carries ids, never payloads', async () => {
  await givenEvent(house, 'outbox', { planted: 'payload' });
  for (const job of await jobs()) expect(job).not.toContain('planted');
});

test('a duplicate announces nothing', async () => {
  await givenEvent(house, 'outbox', {}, { event_id: 'once' });
  const before = await jobs();
  await givenEvent(house, 'outbox', {}, { event_id: 'once' });
  expect(await jobs()).toEqual(before);
});

test('publishers of several tenants at once each find their events announced', async () => {
  const apis = await Promise.all([1, 2, 3].map(async () => house.as(await givenTenant(house))));
  const ids = await Promise.all(apis.map(async (api) => (await api.post('/v1/events').send({ event_type: 'outbox', data: {} }).expect(202)).body.event_id as string));
  const announced = (await jobs()).join();
  for (const id of ids) expect(announced).toContain(id);
});

test('a queue that nobody works stops the boot, and says which', async () => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await cloneDatabase(postgresUrl);
  defineQueue('test.orphan');
  try {
    await expect(startHouse(databaseUrl)).rejects.toThrow('The queue test.orphan has no worker');
  } finally {
    queues.delete('test.orphan');
    await dropDatabase(postgresUrl, databaseUrl);
  }
});

test('a queue cannot be declared twice', () => {
  const { name } = [...queues.values()][0]!;
  expect(() => defineQueue(name)).toThrow(`The queue ${name} is declared twice`);
});
