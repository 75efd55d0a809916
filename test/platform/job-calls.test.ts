import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { Events } from '../../src/events/index.js';
import { Database, HotLane, type Lane, laneOn } from '../../src/platform/index.js';
import { eventually } from '../support/eventually.js';
import { givenEvent } from '../support/given.js';
import { type House, useHouse, useNeighbour } from '../support/house.js';

const api = useHouse({ ROLE: 'api' });
useNeighbour(api, { ROLE: 'worker' });
const all = useHouse();
const NEW = { eventType: 'called', data: '{}', metadata: '{}' };

/** What is called on the database of a house from now on, until the test ends. */
async function listening({ databaseUrl }: House): Promise<string[]> {
  const client = new Client({ connectionString: databaseUrl });
  onTestFinished(() => client.end());
  await client.connect();
  const heard: string[] = [];
  client.on('notification', ({ payload }) => heard.push(payload!));
  await client.query('LISTEN lakehook_jobs');
  return heard;
}

async function append(house: House, lane: Lane): Promise<void> {
  const [tenant] = await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants');
  await house.app.get(Events).append(lane, tenant!.tenant_id, [NEW]);
}

/** For how long the last job for fan-out was there before it was taken, in milliseconds. */
async function publishAndWait(house: House): Promise<number> {
  await givenEvent(house, 'called', {});
  return eventually('the job is taken', async () => {
    const [job] = await house.sql<{ ms: number | null }>(`
      SELECT extract(epoch FROM started_on - created_on)::float * 1000 AS ms FROM pgboss.job WHERE name = 'delivery.fan-out' ORDER BY created_on DESC LIMIT 1`);
    return job?.ms ?? undefined;
  });
}

test.each([['another process takes', () => api], ['this process takes itself', () => all]])('a job that %s does not wait until somebody looks', async (_, of) => {
  const house = of();
  // Each is published just after a look, so it would wait for nearly a second until the next.
  const waits = [];
  for (let n = 0; n < 8; n++) waits.push(await publishAndWait(house));
  expect(Math.min(...waits)).toBeLessThan(500);
});

test('a job that is rolled back calls nobody', async () => {
  const heard = await listening(api);
  const hot = api.app.get(HotLane);
  await expect(hot.transaction(async (lane) => {
    await append(api, lane);
    throw new Error('changed my mind');
  })).rejects.toThrow('changed my mind');
  await hot.transaction((lane) => append(api, lane));
  await eventually('a call', () => heard.length > 0);
  expect(heard).toEqual(['delivery.fan-out']);
});

test('a job of a transaction that cannot tell when it has committed calls with its commit', async () => {
  const heard = await listening(all);
  await all.app.get(Database).transaction((tx) => append(all, laneOn(tx)));
  await eventually('a call', () => heard.length > 0);
  expect(heard).toEqual(['delivery.fan-out']);
});

test('a process that takes its jobs itself calls no other, so that its commits never wait for each other', async () => {
  const heard = await listening(all);
  await givenEvent(all, 'called', {});
  await all.sql("SELECT pg_notify('lakehook_jobs', 'the end')::text");
  await eventually('the end', () => heard.includes('the end'));
  expect(heard).toEqual(['the end']);
});
