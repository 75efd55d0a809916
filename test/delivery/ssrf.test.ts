import { expect, test } from 'vitest';
import { sealCredentials } from '../../src/delivery/credentials/credentials.js';
import { Sealer } from '../../src/platform/crypto/sealer.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { SEALING_KEY, useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

// Covers where webhooks are registered at, not where the receiver listens.
const house = useHouse({ OUTBOUND_ALLOW_PRIVATE: '10.9.0.0/16' });
const receiver = useReceiver();

test.each(['http://127.0.0.1:1/', 'http://localhost/', 'http://10.8.0.1/', 'http://169.254.169.254/', 'http://[::ffff:7f00:1]/', 'http://2130706433/'])('%s is refused at registration, with the reason', async (url) => {
  const { body } = await house.api.post('/v1/webhooks').send({ url }).expect(422);
  expect(body.errors).toEqual([{ pointer: '/url', detail: expect.stringMatching(/address, which outgoing requests may not reach/) }]);
});

test.each([(port: string) => `http://127.0.0.1:${port}/`, (port: string) => `http://localhost:${port}/`, (port: string) => `http://[::ffff:127.0.0.1]:${port}/`, (port: string) => `http://0x7f.1:${port}/`])(
  'a destination that has become private since is not connected to: %s', async (urlOf) => {
    const url = urlOf(new URL(receiver.url).port);
    const type = `private.${url.length}`;
    const { webhook_id } = await givenWebhook(house, 'http://10.9.0.1/', { events: [type], retry_policy: { max_retries: 1, base_seconds: 0, jitter: false } });
    // As when a name is pointed elsewhere after registration: the row is past every check but the one at connect.
    await house.sql('UPDATE webhooks SET url = $1, version = version + 1 WHERE webhook_id = $2', [url, webhook_id]);
    const { attempts } = await deliveryOf(house, await givenEvent(house, type), 'dead');
    expect(attempts.map(({ error_class, response_status }) => [error_class, response_status])).toEqual([['blocked_address', null], ['blocked_address', null]]);
    expect(attempts[0]!.error).toMatch(/loopback address, which outgoing requests may not reach/);

    const { body } = await house.api.post(`/v1/webhooks/${webhook_id}/test`).send({}).expect(200);
    expect(body).toMatchObject({ status: 'dead', response_status: null, error: expect.stringMatching(/may not reach/) });
    expect([receiver.requests, receiver.connections]).toEqual([[], 0]);
  });

test('a token endpoint is held to the same: refused on save, and not connected to when it has become private since', async () => {
  const auth = { type: 'oauth2', token_url: 'http://127.0.0.1:1/token', client_id: 'c', client_secret: 'planted', client_auth: 'basic' } as const;
  const { body } = await house.api.post('/v1/webhooks').send({ url: 'http://10.9.0.1/', auth }).expect(422);
  expect(body.errors).toEqual([{ pointer: '/auth/token_url', detail: expect.stringMatching(/address, which outgoing requests may not reach/) }]);

  const { webhook_id } = await givenWebhook(house, 'http://10.9.0.1/', { events: ['token.private'], auth: { ...auth, token_url: 'http://10.9.0.1/' }, retry_policy: { max_retries: 0 } });
  const sealed = sealCredentials(new Sealer([Buffer.from(SEALING_KEY, 'base64')]), webhook_id, { secret_headers: {}, auth: { ...auth, token_url: receiver.url }, tls: {} });
  await house.sql('UPDATE webhooks SET credentials = $1, version = version + 1 WHERE webhook_id = $2', [sealed, webhook_id]);
  const { attempts } = await deliveryOf(house, await givenEvent(house, 'token.private'), 'dead');
  expect(attempts).toMatchObject([{ error_class: 'token', response_status: null, error: expect.stringMatching(/The token endpoint .* could not be asked: .*loopback address, which outgoing requests may not reach/) }]);
  expect([receiver.requests, receiver.connections]).toEqual([[], 0]);
});
