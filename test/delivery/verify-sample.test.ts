import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { snippetOf } from '../support/docs.js';
import { givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { type Api, useHouse } from '../support/house.js';
import { type Received, useReceiver } from '../support/receiver.js';

/** The sample of docs/webhooks.md, run as it stands there. */

const house = useHouse();
const receiver = useReceiver();
let folder: string;
let fetched: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lakehook-sample-'));
  fetched = [];
  const real = globalThis.fetch;
  vi.spyOn(globalThis, 'fetch').mockImplementation((...call) => {
    fetched.push(String(call[0]));
    return real(...call);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

async function load(api: Api): Promise<(message: Received, changed?: object, body?: Buffer) => Promise<unknown>> {
  process.env.LAKEHOOK_JWKS_URL = house.url + ((await api.get('/v1/signing-keys').expect(200)).body.data[0].jwks_path as string);
  const file = join(folder, 'sample.mjs');
  writeFileSync(file, snippetOf('js', '## Verifying with a public key'));
  const { verifyWebhook } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { verifyWebhook: (body: Buffer, headers: object) => Promise<unknown> };
  return ({ body, headers }, changed = {}, otherBody = body) => verifyWebhook(otherBody, { ...headers, ...changed });
}

/** A message of a tenant, signed by its key pair. */
async function send(api: Api, type: string): Promise<Received> {
  await givenEvent({ ...house, api }, type, { name: 'Zoë 😀' });
  return (await receiver.received(receiver.requests.length + 1)).at(-1)!;
}

test('it accepts what is genuine, and refuses what was changed, is old, or is another tenant’s', async () => {
  const [own, stranger] = [house.as(await givenTenant(house, 'own')), house.as(await givenTenant(house, 'stranger'))];
  for (const api of [own, stranger]) await givenWebhook({ ...house, api }, receiver.url, { events: ['sample'], signing: ['v1', 'v1a'] });
  const verify = await load(own);
  const message = await send(own, 'sample');
  expect(await verify(message)).toEqual(message.event);
  await expect(verify(message, {}, Buffer.concat([message.body, Buffer.from(' ')]))).rejects.toThrow('not signed');
  const { 'webhook-signature': signatures, 'webhook-timestamp': timestamp } = message.headers as Record<string, string>;
  const [v1, v1a] = signatures!.split(' ') as [string, string];
  for (const changed of [{ 'webhook-id': 'other' }, { 'webhook-timestamp': String(Number(timestamp) + 1) }, { 'webhook-key-id': 'none' }, { 'webhook-key-id': undefined }, ...[undefined, '', v1, v1a.replace('v1a,', 'v1,'), 'v1a,', `v1a,${'A'.repeat(86)}==`].map((other) => ({ 'webhook-signature': other }))]) {
    await expect(verify(message, changed)).rejects.toThrow('not signed');
  }
  for (const at of ['', 'soon', undefined, String(Number(timestamp) - 301), String(Number(timestamp) + 400)]) await expect(verify(message, { 'webhook-timestamp': at })).rejects.toThrow('too old');
  await expect(verify(await send(stranger, 'sample'))).rejects.toThrow('not signed');
  // However many forged kids came, the set was asked for once.
  expect(fetched).toHaveLength(1);
});

test('it learns a new key by asking again, and a withdrawn one is not believed after five minutes', async () => {
  const api = house.as(await givenTenant(house, 'rotating'));
  await givenWebhook({ ...house, api }, receiver.url, { events: ['rotating'], signing: ['v1a'] });
  const verify = await load(api);
  const before = await send(api, 'rotating');
  expect(await verify(before)).toEqual(before.event);
  await api.post('/v1/signing-keys/rotate').send({ activate_after_seconds: 0, overlap_hours: 0 }).expect(200);
  // Moves the sample's clock and the house's alike.
  const now = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 11_000);
  const after = await send(api, 'rotating');
  expect(after.headers['webhook-key-id']).not.toBe(before.headers['webhook-key-id']);
  expect(await verify(after)).toEqual(after.event);
  await expect(verify(before)).rejects.toThrow('not signed');
});
