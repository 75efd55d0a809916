import { expect, test } from 'vitest';
import type { Identified, ObjectNotice } from './provider.js';
import { PROVIDERS } from './providers.js';

const record = (key: string, more: object = {}, object: object = {}) => ({
  eventVersion: '2.1', eventSource: 'aws:s3', awsRegion: 'eu-central-1', eventTime: '2026-11-22T04:05:06.789Z', eventName: 'ObjectCreated:Put',
  s3: { s3SchemaVersion: '1.0', configurationId: 'c', bucket: { name: 'bills', arn: 'arn:aws:s3:::bills' }, object: { key, size: 1024, eTag: 'd41d8cd9', versionId: 'v1', sequencer: '0055AED6DCD90281E5', ...object } }, ...more,
});
const EVENT_BRIDGE = {
  version: '0', id: '17793124-05d4-b198-2fde-7ededc63b103', 'detail-type': 'Object Created', source: 'aws.s3', account: '111122223333', time: '2026-11-22T04:05:06Z', region: 'ca-central-1', resources: ['arn:aws:s3:::bills'],
  detail: { version: '0', bucket: { name: 'bills' }, object: { key: 'a+b%20c/d.csv', size: 5, etag: 'b1946ac9', 'version-id': 'IYV3p', sequencer: '00617F08299329D189' }, 'request-id': 'N4N7GDK58NMKJ12R', requester: '123456789012', reason: 'PutObject' },
};
const MINIO = { EventName: 's3:ObjectCreated:Put', Key: 'bills/cur/a b.csv', Records: [record('cur%2Fa+b.csv', { eventVersion: '2.0', eventSource: 'minio:s3', eventName: 's3:ObjectCreated:Put' }, { sequencer: '17E2F4B0A1', versionId: undefined })] };
const sns = (message: unknown) => ({ Type: 'Notification', MessageId: 'm-1', TopicArn: 'arn:aws:sns:eu:1:bills', Message: typeof message === 'string' ? message : JSON.stringify(message), Timestamp: '2026-11-22T04:05:07.000Z' });
const eventsOf = (json: unknown, name = 's3', text = JSON.stringify(json) ?? ''): Identified[] => PROVIDERS.get(name)!.identify({ body: Buffer.from(text), headers: {}, url: '' }, json, {});
const objectsOf = (json: unknown): ObjectNotice[] => eventsOf(json).flatMap(({ object }) => object ?? []);

const OBJECT = { bucket: 'bills', key: 'red flower+.jpg', size: 1024, etag: 'd41d8cd9', sequencer: '0055AED6DCD90281E5', version_id: 'v1', event: 'created', occurred_at: '2026-11-22T04:05:06.789Z' };

test('S3: a notice becomes an event about its object, its key decoded', () => {
  const json = { Records: [record('red+flower%2B.jpg')] };
  expect(eventsOf(json)).toEqual([{
    providerEventId: 'bills/red flower+.jpg/v1/0055AED6DCD90281E5/ObjectCreated:Put', type: 'ObjectCreated:Put', occurredAt: Date.parse('2026-11-22T04:05:06.789Z'),
    subject: 'bills/red flower+.jpg', correlationIds: ['bills/red flower+.jpg'], data: JSON.stringify(json.Records[0]), object: OBJECT,
  }]);
  expect(objectsOf(json)).toEqual([OBJECT]);
});

test('S3: a batch becomes an event each, with the very text of its record', () => {
  const records = [record('a'), record('a', {}, { sequencer: '0055AED6DCD90281E6' }), record('a', { eventName: 'ObjectRemoved:DeleteMarkerCreated' }), record('a', { eventName: 'ObjectRestore:Completed' })];
  const texts = records.map((one, index) => JSON.stringify(one, undefined, index).replace('1024', '12345678901234567890'));
  const text = `\uFEFF{"Records": [1], "x":"]", "Records" :[ ${texts.join(' ,\n')} ]}`;
  const events = eventsOf(JSON.parse(text.slice(1)), 's3', text);
  expect(events.map(({ data }) => data)).toEqual(texts);
  expect(new Set(events.map(({ providerEventId }) => providerEventId)).size).toBe(4);
  expect(events.map(({ object }) => object?.event)).toEqual(['created', 'created', 'removed', undefined]);
  expect(events.map(({ object }) => object?.size)).toEqual([undefined, undefined, undefined, undefined]);
});

test.each([
  ['ObjectCreated:CompleteMultipartUpload', 'created'], ['s3:ObjectCreated:Copy', 'created'], ['ObjectRemoved:Delete', 'removed'], ['s3:ObjectRemoved:Delete', 'removed'], ['LifecycleExpiration:Delete', 'removed'],
  ['ObjectTagging:Put', undefined], ['s3:ObjectAccessed:Get', undefined], ['ObjectCreated', undefined], ['ReducedRedundancyLostObject', undefined],
])('%s means %s', (eventName, event) => {
  expect(objectsOf({ Records: [record('k', { eventName })] }).map((object) => object.event)).toEqual(event ? [event] : []);
  expect(eventsOf({ Records: [record('k', { eventName })] })).toMatchObject([{ type: eventName.replace('s3:', ''), subject: 'bills/k' }]);
});

test.each([
  ['a+b', 'a b'], ['a%2Bb', 'a+b'], ['a%2Fb%2Fc', 'a/b/c'], ['%C3%A9%F0%9F%8E%89', 'é🎉'], ['%zz+', '%zz+'], ['%ED%A0%80', '%ED%A0%80'], ['100%25', '100%'], ['__proto__', '__proto__'],
])('the key %s is %s', (key, expected) => {
  expect(objectsOf({ Records: [record(key)] })[0]!.key).toBe(expected);
});

test('a key that no bucket can hold is an event and no object', () => {
  for (const key of ['a%00b', 'x'.repeat(1_025)]) {
    expect(objectsOf({ Records: [record(key)] })).toEqual([]);
    expect(eventsOf({ Records: [record(key)] })[0]!.providerEventId).toMatch(/^sha256:[0-9a-f]{64}$/);
  }
});

const idOf = (object: object, more: object = {}) => eventsOf({ Records: [record('k', more, { versionId: undefined, sequencer: undefined, ...object })] })[0]!.providerEventId;

test('without version, sequencer or even time, contents and what is left tell notices apart', () => {
  expect(idOf({})).toBe('bills/k/d41d8cd9/2026-11-22T04:05:06.789Z/ObjectCreated:Put');
  expect(idOf({ eTag: undefined }, { eventTime: 7 })).toBe('bills/k///ObjectCreated:Put');
});

test('a record of another major version is an event and no object', () => {
  expect(objectsOf({ Records: [record('a', { eventVersion: '3.0' }), record('b', { eventVersion: '2.9' }), record('c', { eventVersion: 2 })] }).map(({ key }) => key)).toEqual(['b']);
  expect(eventsOf({ Records: [record('a', { eventVersion: '3.0' })] })).toMatchObject([{ type: 'ObjectCreated:Put', object: undefined }]);
});

test('S3: its test is nothing, and answered 200, from SNS too', () => {
  const test = { Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026-11-22T04:05:06.789Z', Bucket: 'bills', RequestId: 'r', HostId: 'h' };
  for (const json of [test, sns(test)]) {
    expect(eventsOf(json)).toEqual([]);
    expect(PROVIDERS.get('s3')!.answer!({ body: Buffer.alloc(0), headers: {}, url: '' }, json)).toEqual({ status: 200, contentType: 'application/json', body: '{}' });
  }
  expect(PROVIDERS.get('s3')!.answer!({ body: Buffer.alloc(0), headers: {}, url: '' }, MINIO)).toBeUndefined();
});

test('MinIO: the same as S3, whose names it spells its own way', () => {
  expect(eventsOf(MINIO, 'minio')).toEqual([{
    providerEventId: 'bills/cur/a b.csv/d41d8cd9/17E2F4B0A1/ObjectCreated:Put', type: 'ObjectCreated:Put', occurredAt: Date.parse('2026-11-22T04:05:06.789Z'), subject: 'bills/cur/a b.csv', correlationIds: ['bills/cur/a b.csv'],
    data: JSON.stringify(MINIO.Records[0]), object: { ...OBJECT, key: 'cur/a b.csv', sequencer: '17E2F4B0A1', version_id: undefined },
  }]);
});

test('EventBridge: one event, whose key is as the object is called', () => {
  expect(eventsOf(EVENT_BRIDGE, 'eventbridge')).toEqual([{
    providerEventId: 'bills/a+b%20c/d.csv/IYV3p/00617F08299329D189/Object Created', type: 'Object_Created', occurredAt: Date.parse('2026-11-22T04:05:06Z'), subject: 'bills/a+b%20c/d.csv', correlationIds: ['bills/a+b%20c/d.csv'],
    object: { bucket: 'bills', key: 'a+b%20c/d.csv', size: 5, etag: 'b1946ac9', sequencer: '00617F08299329D189', version_id: 'IYV3p', event: 'created', occurred_at: '2026-11-22T04:05:06.000Z' },
  }]);
  expect(objectsOf({ ...EVENT_BRIDGE, 'detail-type': 'Object Deleted' })[0]!.event).toBe('removed');
  expect(objectsOf({ ...EVENT_BRIDGE, 'detail-type': 'Object Tags Added' })).toEqual([]);
  expect(objectsOf({ ...EVENT_BRIDGE, source: 'somebody.else' })).toEqual([]);
  expect(eventsOf({ ...EVENT_BRIDGE, source: 'aws.ec2', 'detail-type': 'EC2 Instance State-change Notification' }, 'eventbridge')).toMatchObject([{ providerEventId: EVENT_BRIDGE.id, type: 'EC2_Instance_State-change_Notification', subject: 'arn:aws:s3:::bills' }]);
});

test('SNS: what it wraps is unwrapped, and what it asks to confirm is an event that nobody follows', () => {
  const inner = { Records: [record('a'), record('b')] };
  expect(eventsOf(sns(inner)).map(({ object, data }) => [object!.key, data])).toEqual([['a', JSON.stringify(inner.Records[0])], ['b', JSON.stringify(inner.Records[1])]]);
  expect(objectsOf(sns(inner)).map(({ key }) => key)).toEqual(['a', 'b']);
  expect(eventsOf(sns(EVENT_BRIDGE))).toMatchObject([{ data: JSON.stringify(EVENT_BRIDGE), object: { key: 'a+b%20c/d.csv' } }]);
  for (const message of ['hello', '"hello"', '[1]', '{']) expect(eventsOf(sns(message))).toMatchObject([{ type: 'Notification', providerEventId: 'm-1', subject: 'arn:aws:sns:eu:1:bills', data: undefined }]);
  expect(eventsOf({ Type: 'SubscriptionConfirmation', MessageId: 'm-2', SubscribeURL: 'https://x', TopicArn: 't', Timestamp: '2026-11-22T04:05:06Z' })).toMatchObject([{ type: 'SubscriptionConfirmation', providerEventId: 'm-2' }]);
});

test('what is no notice is kept as one event, and more records than a batch holds too', () => {
  for (const json of [undefined, null, 'x', [], {}, { Records: {} }, { Records: [1] }, { Records: [record('a'), null] }]) expect(eventsOf(json)).toMatchObject([{ type: 's3.received', data: undefined, correlationIds: [] }]);
  expect(eventsOf({ Records: Array.from({ length: 1_001 }, () => record('a')) })).toHaveLength(1);
  expect(eventsOf({ Records: Array.from({ length: 1_000 }, () => record('a')) })).toHaveLength(1_000);
  expect(eventsOf({ Records: [] })).toEqual([]);
});
