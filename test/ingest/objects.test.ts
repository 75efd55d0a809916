import { expect, test } from 'vitest';
import { objectNoticed } from '../../src/ingest/ingest.topics.js';
import { defineQueue } from '../../src/platform/jobs/queue.js';
import { useHouse } from '../support/house.js';
import { givenSource } from '../support/provider.js';

/** Somebody who listens; in a house without workers the jobs stay. */
const listener = defineQueue('test.objects', { on: objectNoticed });
const house = useHouse({ ROLE: 'api' });
const TOKEN = 'a token for the bucket notices';

const record = (key: string, sequencer: string, name = 'ObjectCreated:Put') => ({
  eventVersion: '2.1', eventSource: 'aws:s3', awsRegion: 'eu-west-1', eventTime: '2026-11-01T00:00:00.000Z', eventName: name,
  s3: { bucket: { name: 'bills' }, object: { key, size: 1024, eTag: 'd41d8cd98f00b204e9800998ecf8427e', sequencer } },
});
const jobs = async (sourceId: string) => (await house.sql<{ data: { objects: object[] } }>("SELECT data FROM pgboss.job WHERE name = $1 AND data->>'source_id' = $2 ORDER BY created_on", [listener.name, sourceId])).map(({ data }) => data);
const notify = (path: string, body: object) => house.as().post(path).set('authorization', `Bearer ${TOKEN}`).send(body);

test('every record of a notice is an event of its own, and new objects are announced once, with their keys decoded', async () => {
  const source = await givenSource(house, { provider: 's3', secrets: [TOKEN] });
  const { body } = await notify(source.ingest_path, { Records: [record('cur/2026+11/caf%C3%A9.csv.gz', '01'), record('gone.csv', '02', 'ObjectRemoved:Delete')] }).expect(202);
  expect(body.data).toEqual([{ event_id: expect.any(String), duplicate: false }, { event_id: expect.any(String), duplicate: false }]);
  const [job, ...others] = await jobs(source.source_id);
  expect(others).toEqual([]);
  expect(job).toMatchObject({ source_id: source.source_id, tenant_id: expect.any(String), objects: [
    { bucket: 'bills', key: 'cur/2026 11/café.csv.gz', size: 1024, sequencer: '01', event: 'created' }, { bucket: 'bills', key: 'gone.csv', sequencer: '02', event: 'removed' },
  ] });
  const { data } = (await house.api.get(`/v1/events?source_id=${source.source_id}`).expect(200)).body;
  expect(data.map(({ data }: { data: object }) => data)).toEqual(expect.arrayContaining([record('gone.csv', '02', 'ObjectRemoved:Delete')]));

  // In other company: only what is new is announced.
  const again = await notify(source.ingest_path, { Records: [record('new.csv', '03'), record('gone.csv', '02', 'ObjectRemoved:Delete')] }).expect(202);
  expect(again.body.data.map(({ duplicate }: { duplicate: boolean }) => duplicate)).toEqual([false, true]);
  expect(again.body.data[1].event_id).toBe(body.data[1].event_id);
  expect((await jobs(source.source_id))[1]!.objects).toMatchObject([{ key: 'new.csv' }]);
  await notify(source.ingest_path, { Records: [record('new.csv', '03')] }).expect(202);
  expect(await jobs(source.source_id)).toHaveLength(2);
});

test('the same record twice in one notice is announced once', async () => {
  const source = await givenSource(house, { provider: 'minio', secrets: [TOKEN] });
  const { body } = await notify(source.ingest_path, { Records: [record('a.csv', '01'), record('a.csv', '01')] }).expect(202);
  expect(body.data.map(({ duplicate }: { duplicate: boolean }) => duplicate)).toEqual([false, true]);
  expect((await jobs(source.source_id)).map(({ objects }) => objects.length)).toEqual([1]);
});

test('a test event is answered and stored nowhere', async () => {
  const source = await givenSource(house, { provider: 's3', secrets: [TOKEN] });
  await notify(source.ingest_path, { Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026-11-01T00:00:00.000Z', Bucket: 'bills' }).expect(200);
  expect((await house.api.get(`/v1/events?source_id=${source.source_id}`).expect(200)).body.data).toEqual([]);
  expect(await jobs(source.source_id)).toEqual([]);
});

test('a record that cannot be stored as JSON is kept as bytes, beside the others', async () => {
  const source = await givenSource(house, { provider: 's3', secrets: [TOKEN] });
  const good = JSON.stringify(record('good.csv', '01'));
  const { body } = await house.as().post(source.ingest_path).set({ authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }).send(`{"Records":[${good},${good.replace('good.csv', 'b\\u0000d.csv')}]}`).expect(202);
  expect(body.data.map(({ duplicate }: { duplicate: boolean }) => duplicate)).toEqual([false, false]);
  expect((await jobs(source.source_id))[0]!.objects).toMatchObject([{ key: 'good.csv' }]);
  expect((await house.api.get(`/v1/events/${body.data[1].event_id}/body`).expect(200)).text).toContain('b\\u0000d.csv');
});
