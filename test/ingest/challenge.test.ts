import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { type GivenSource, givenSource } from '../support/provider.js';

const house = useHouse();
const BASIC = 'Basic realm="lakehook", charset="UTF-8"';
const BEARER = 'Bearer realm="lakehook"';
const LOGIN = `Basic ${Buffer.from('sns:a password').toString('base64')}`;

const inQuarantine = async ({ source_id }: GivenSource) => (await house.api.get(`/v1/sources/${source_id}/quarantine`).expect(200)).body.data.length as number;
const notice = {
  Type: 'Notification', MessageId: 'm-1', TopicArn: 'arn:aws:sns:eu-west-1:1:bills', Timestamp: '2026-11-01T00:00:00.000Z',
  Message: JSON.stringify({ Records: [{ eventVersion: '2.1', eventSource: 'aws:s3', eventTime: '2026-11-01T00:00:00.000Z', eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'bills' }, object: { key: 'a.csv', sequencer: '01' } } }] }),
};

test('SNS is asked for the password of its URL, sends it then and is believed; its first try leaves nothing behind', async () => {
  const source = await givenSource(house, { provider: 's3', secrets: ['sns:a password'] });
  const send = () => house.as().post(source.ingest_path).set('content-type', 'text/plain; charset=UTF-8').set('x-amz-sns-message-type', 'Notification').serialize((raw: unknown) => raw as string);
  await send().send(JSON.stringify(notice)).expect(401).expect('www-authenticate', BASIC);
  await send().set('authorization', LOGIN).send(JSON.stringify(notice)).expect(202);
  // A wrong password is written, and shows that a first try before it was not.
  await send().set('authorization', `Basic ${Buffer.from('sns:wrong').toString('base64')}`).send(JSON.stringify(notice)).expect(401).expect('www-authenticate', BASIC);
  await eventually('the wrong password to be kept', async () => (await inQuarantine(source)) > 0);
  expect(await inQuarantine(source)).toBe(1);
  expect((await house.api.get(`/v1/events?source_id=${source.source_id}`).expect(200)).body.data).toMatchObject([{ event_type: 'ObjectCreated:Put', metadata: { subject: 'bills/a.csv' } }]);
  expect((await house.as().get('/metrics').expect(200)).text).toMatch(/lakehook_inbound_requests_total\{provider="s3",outcome="challenged"\} 1/);
});

test.each<[provider: string, secret: string, options: object, asked: string | undefined, kept: boolean]>([
  ['basic', 'user:password', {}, BASIC, false],
  ['bearer', 'a token', {}, BEARER, true],
  ['bearer', 'a token', { header: 'X-Gitlab-Token' }, undefined, true],
  ['bearer', 'a token', { header: 'Authorization' }, BEARER, true],
  ['minio', 'a token', {}, BEARER, true],
  ['eventbridge', 'user:password', {}, BASIC, false],
  ['github', 'a secret', {}, undefined, true],
])('a request without credentials to a source of %s (secret %s, %j) is answered with the challenge %s', async (provider, secret, options, asked, kept) => {
  const source = await givenSource(house, { provider, secrets: [secret], options });
  expect((await house.as().post(source.ingest_path).send({}).expect(401)).headers['www-authenticate']).toBe(asked);
  // Another that is kept in any case is written behind it.
  await house.as().post(source.ingest_path).set({ authorization: 'Basic d3Jvbmc=', 'x-gitlab-token': 'wrong' }).send({}).expect(401);
  await eventually('what is kept to be written', async () => (await inQuarantine(source)) >= (kept ? 2 : 1));
  expect(await inQuarantine(source)).toBe(kept ? 2 : 1);
});
