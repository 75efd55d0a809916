import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { givenTenant, givenWebhook } from '../support/given.js';
import { type Api, type House, useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

interface Entry { sequence: number; action: string; subject_type: string; subject_id: string; key_id: string; request_id: string | null; before: Record<string, unknown> | null; after: Record<string, unknown> | null; recorded_at: string; hash: string }
const log = async (query = '', api: Api = house.api): Promise<Entry[]> => (await api.get(`/v1/audit-log?limit=200&${query}`).expect(200)).body.data;
const verify = async (api: Api = house.api) => (await api.get('/v1/audit-log/verify').expect(200)).body;
/** A tenant of its own, whose log nobody else writes to. */
const givenOther = async (): Promise<House> => ({ ...house, api: house.as(await givenTenant(house)) });
const keyIdOf = async (api: Api): Promise<string> => (await api.get('/v1/api-keys').expect(200)).body.data[0].key_id;

/** Does what the product never does, as somebody who owns the database could. */
const tamper = (text: string, values: unknown[] = []) => house.sql('ALTER TABLE audit_log DISABLE TRIGGER audit_log_only_grows').then(() => house.sql(text, values)).finally(() => house.sql('ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_only_grows'));

test('every change is on record with who did it, by which request, and what it was before and after', async () => {
  const other = await givenOther();
  const keyId = await keyIdOf(other.api);
  const { webhook_id, url } = await givenWebhook(other, `${receiver.url}/audited`, { description: 'one' });
  const path = `/v1/webhooks/${webhook_id}`;
  await other.api.patch(path).set('x-request-id', 'the-request').send({ description: 'two' }).expect(200);
  await other.api.put(path).send({ url }).expect(200);
  await other.api.post(`${path}/rotate-secret`).send({ overlap_hours: 3 }).expect(200);
  const { delivery_id } = (await other.api.post(`${path}/test`).expect(200)).body;
  await house.sql("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'test', is_active = false WHERE webhook_id = $1", [webhook_id]);
  await other.api.patch(path).send({ is_active: true }).expect(200);
  await other.api.delete(path).expect(204);
  const made = (await other.api.post('/v1/api-keys').send({ name: 'second', scopes: ['events:read'] }).expect(201)).body;
  await other.api.delete(`/v1/api-keys/${made.key_id}`).expect(204);
  await other.api.post('/v1/signing-keys/rotate').send({}).expect(200);

  const entries = (await log('', other.api)).toReversed();
  expect(entries.map(({ sequence, action }) => `${sequence} ${action}`)).toEqual([
    '1 webhook.created', '2 webhook.changed', '3 webhook.changed', '4 webhook.secret_rotated', '5 webhook.tested', '6 webhook.enabled', '7 webhook.deleted', '8 api_key.created', '9 api_key.revoked', '10 signing_key.rotated',
  ]);
  expect(new Set(entries.map(({ key_id }) => key_id))).toEqual(new Set([keyId]));
  expect(new Set(entries.slice(0, 7).map(({ subject_id }) => subject_id))).toEqual(new Set([webhook_id]));
  expect(entries[1]).toMatchObject({ request_id: 'the-request', before: { description: 'one' }, after: { description: 'two', fields: ['description'] } });
  expect(entries[4]!.after).toEqual({ delivery_id, event_type: 'webhook.test', status: 'succeeded' });
  expect(entries[5]).toMatchObject({ before: { is_active: false }, after: { is_active: true } });
  expect(entries[7]).toMatchObject({ subject_type: 'api_key', subject_id: made.key_id, after: { name: 'second', scopes: ['events:read'], expires_at: null } });
  expect(await verify(other.api)).toEqual({ valid: true, records: 10, head_hash: entries[9]!.hash, first_broken_sequence: null, reason: null });
});

test('making a tenant is on record with the tenant that made it', async () => {
  await givenTenant(house, 'a daughter');
  const [entry] = await log('action=tenant.created');
  expect(entry).toMatchObject({ action: 'tenant.created', subject_type: 'tenant', after: { name: 'a daughter' } });
});

test('no secret stands in the log: neither headers, nor signing secrets, nor keys, nor what hides in a URL', async () => {
  const other = await givenOther();
  const { webhook_id, secret } = await givenWebhook(other, `${receiver.url}/hooks/planted-path?token=planted-token`, { headers: { authorization: 'Bearer planted-header' } });
  await other.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: `${receiver.url}/planted-other`, headers: { 'x-key': 'planted-second' } }).expect(200);
  const rotated = (await other.api.post(`/v1/webhooks/${webhook_id}/rotate-secret`).expect(200)).body.secret;
  const { key } = (await other.api.post('/v1/api-keys').send({ name: 'k' }).expect(201)).body;
  const text = JSON.stringify(await house.sql('SELECT a::text FROM audit_log a'));
  for (const planted of ['planted', secret, rotated, key, key.slice(41)]) expect(text).not.toContain(planted);
  const [, changed] = (await log(`subject_id=${webhook_id}`, other.api)).toReversed();
  expect(changed!.after).toEqual({ url_sha256: createHash('sha256').update(`${receiver.url}/planted-other`).digest('hex'), fields: ['headers', 'url'] });
});

test('a refused request leaves no record, and a change that cannot be recorded is not made', async () => {
  const other = await givenOther();
  await other.api.post('/v1/webhooks').send({ url: 'nonsense' }).expect(422);
  await other.api.delete('/v1/webhooks/018f4e2a-0000-7abc-8def-0123456789ab').expect(404);
  expect(await log('', other.api)).toEqual([]);
  await house.sql("CREATE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.action = 'webhook.created' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$");
  await house.sql('CREATE TRIGGER refuse_all BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_all()');
  await other.api.post('/v1/webhooks').send({ url: `${receiver.url}/x` }).expect(500);
  await house.sql('DROP TRIGGER refuse_all ON audit_log');
  expect((await other.api.get('/v1/webhooks').expect(200)).body.data).toEqual([]);
});

test('many writers in two processes make one chain without gaps', async () => {
  const key = await givenTenant(house);
  const apis = [house.as(key), neighbour.as(key)];
  await Promise.all(Array.from({ length: 30 }, (_, n) => apis[n % 2]!.post('/v1/partners').send({ name: `p${n}` }).expect(201)));
  const entries = await log('', apis[0]);
  expect(entries.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 30 }, (_, n) => 30 - n));
  expect(await verify(apis[1])).toMatchObject({ valid: true, records: 30 });
});

test('the log is narrowed by action, subject and time, and read page by page', async () => {
  const other = await givenOther();
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    ids.push((await other.api.post('/v1/partners').send({ name }).expect(201)).body.partner_id);
    house.clock.advance(60_000);
  }
  await other.api.patch(`/v1/partners/${ids[0]}`).send({ name: 'd' }).expect(200);
  const sequences = async (query: string): Promise<number[]> => (await log(query, other.api)).map(({ sequence }) => sequence);
  const [, , second] = await log('', other.api);
  expect(await sequences('action=partner.created')).toEqual([3, 2, 1]);
  expect(await sequences(`subject_id=${ids[0]}`)).toEqual([4, 1]);
  expect(await sequences(`from=${second!.recorded_at}`)).toEqual([4, 3, 2]);
  expect(await sequences(`to=${second!.recorded_at}`)).toEqual([1]);
  expect(await sequences('action=partner')).toEqual([]);
  const seen: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: { body: { data: Entry[]; next_cursor: string | null } } = await other.api.get(`/v1/audit-log?limit=3${cursor && `&cursor=${cursor}`}`).expect(200);
    seen.push(...body.data.map(({ sequence }) => sequence));
    cursor = body.next_cursor;
  }
  expect(seen).toEqual([4, 3, 2, 1]);
});

test('one tenant sees and verifies nothing of another', async () => {
  const [one, two] = [await givenOther(), await givenOther()];
  await one.api.post('/v1/partners').send({ name: 'private' }).expect(201);
  expect(await log('', two.api)).toEqual([]);
  expect(await verify(two.api)).toEqual({ valid: true, records: 0, head_hash: '0'.repeat(64), first_broken_sequence: null, reason: null });
});

test('Postgres itself refuses to change, delete or empty the log', async () => {
  await house.api.post('/v1/partners').send({ name: 'kept' }).expect(201);
  for (const text of ["UPDATE audit_log SET action = 'x'", 'DELETE FROM audit_log', 'TRUNCATE audit_log']) {
    await expect(house.sql(text), text).rejects.toThrow(/audit_log only grows/);
    await expect(house.sql(`SET session_replication_role = replica; ${text}`), text).rejects.toThrow(/audit_log only grows/);
  }
});

test.each([
  ['a changed action', "UPDATE audit_log SET action = 'partner.deleted' WHERE tenant_id = $1 AND sequence = 1501", 1501, /changed/],
  ['a changed detail', "UPDATE audit_log SET after = '{\"name\":\"forged\"}' WHERE tenant_id = $1 AND sequence = 2", 2, /changed/],
  ['a changed time', "UPDATE audit_log SET recorded_at = recorded_at - interval '1 day' WHERE tenant_id = $1 AND sequence = 1000", 1000, /changed/],
  ['a removed record', 'DELETE FROM audit_log WHERE tenant_id = $1 AND sequence = 1001', 1001, /missing/],
  ['a removed beginning', 'DELETE FROM audit_log WHERE tenant_id = $1 AND sequence < 5', 1, /missing/],
  ['a forged record, hashed anew', "UPDATE audit_log SET action = 'x', hash = sha256('x') WHERE tenant_id = $1 AND sequence = 7", 7, /changed/],
])('verification names the first broken record: %s', async (_, text, sequence, reason) => {
  const other = await givenOther();
  const [{ tenant_id }] = await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM api_keys WHERE key_id = $1', [await keyIdOf(other.api)]) as [{ tenant_id: string }];
  // More than one chunk, made without the product: the hash as it is documented.
  await house.sql(`
    DO $$
    DECLARE previous bytea := decode(repeat('00', 32), 'hex'); h bytea; content text;
    BEGIN
      FOR n IN 1..2100 LOOP
        content := format('["%s","%s","2026-01-01T00:00:00.000Z","%s",null,"partner.created","partner","p",%s,null]', '${tenant_id}', n, '${tenant_id}', to_json(format('{"n":%s}', n))::text);
        h := sha256(previous || convert_to(content, 'UTF8'));
        INSERT INTO audit_log VALUES ('${tenant_id}', n, '2026-01-01T00:00:00Z', '${tenant_id}', NULL, 'partner.created', 'partner', 'p', format('{"n":%s}', n)::json, NULL, previous, h);
        previous := h;
      END LOOP;
    END $$`);
  expect(await verify(other.api)).toMatchObject({ valid: true, records: 2100 });
  await tamper(text, [tenant_id]);
  const { body } = await other.api.get('/v1/audit-log/verify').expect(200);
  expect(body).toMatchObject({ valid: false, first_broken_sequence: sequence, reason: expect.stringMatching(reason) });
  expect((await verify()).valid).toBe(true);
});
