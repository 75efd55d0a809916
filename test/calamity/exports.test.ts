import { join } from 'node:path';
import { expect, onTestFinished, test, type TestContext, vi } from 'vitest';
import { brokenManifest, filesUnder, givenCosts, type SeenExport, sha256Of, stagedUnder } from '../datalake/support.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_KEY } from '../support/house.js';
import { S3Server } from '../support/s3.js';
import { PATIENCE_MS, type Scene, setScene } from './support/scene.js';
import type { Server } from './support/server.js';
import { EXPORT_DAY, EXPORT_DONE, EXPORT_RECORDED, EXPORT_SHOWN, EXPORT_TO_BE_SHOWN } from './support/statements.js';

/** Exports in the middle of which something breaks: what can be seen is whole at every moment, and they come to the end they would have come to. */

// As many as there are places for scenes: who waits for one waits in vain where others take long.
vi.setConfig({ testTimeout: 180_000, maxConcurrency: 3 });

const RANGE = { from: '2024-12-01', to: '2024-12-04' };
const PREFIX = 'exports/cost_data';
const ROWS = 3 * 500;

interface Stage {
  scene: Scene;
  server: Server;
  /** What can be seen of the tenant, by path. */
  seen(): Record<string, string>;
  root: string;
}

async function call<Body>(server: Server, method: string, path: string, body?: object): Promise<{ status: number; body: Body }> {
  const response = await fetch(`${server.url}${path}`, { method, headers: { authorization: `Bearer ${ADMIN_KEY}`, ...(body && { 'content-type': 'application/json' }) }, body: body && JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as Body };
}

async function begin(server: Server, more: object = {}): Promise<string> {
  const { status, body } = await call<SeenExport>(server, 'POST', '/v1/datalake/exports', { dataset: 'cost_data', format: 'parquet', ...RANGE, ...more });
  expect([status, body]).toEqual([202, expect.anything()]);
  return body.export_id;
}

const ended = (server: Server, exportId: string): Promise<SeenExport> => eventually('the export to end', async () => {
  const { body } = await call<SeenExport>(server, 'GET', `/v1/datalake/exports/${exportId}`);
  return ['succeeded', 'failed', 'cancelled'].includes(body.status) && body;
}, PATIENCE_MS);

const restart = async (scene: Scene, server: Server): Promise<Server> => {
  await server.kill();
  return scene.start({ port: Number(new URL(server.url).port) });
};

async function setStage(context: TestContext): Promise<Stage> {
  const scene = await setScene(context);
  const server = await scene.start();
  await givenCosts(scene, RANGE.from, 3, 500);
  const [{ tenant_id }] = (await scene.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants')) as [{ tenant_id: string }];
  const root = join(scene.dataDir, 'lake', tenant_id);
  return { scene, server, root, seen: () => filesUnder(root) };
}

const newsOf = (scene: Scene): Promise<{ event_type: string }[]> => scene.sql("SELECT event_type FROM events WHERE event_type LIKE 'export.%'");
/** What each day was staged as, by its token. */
const tokensOf = async (scene: Scene, exportId: string): Promise<Record<string, string>> => Object.fromEntries((await scene.sql<{ partition: string; token: string }>('SELECT partition, token FROM export_files WHERE export_id = $1', [exportId])).map(({ partition, token }) => [partition, token]));

/** It succeeded, as if nothing had been: whole, told once, nothing left over, and the same bytes that an undisturbed run writes. */
async function expectWhole({ scene, root, seen }: Stage, server: Server, exportId: string): Promise<void> {
  expect(await ended(server, exportId)).toMatchObject({ status: 'succeeded', row_count: ROWS, error: null });
  expect(brokenManifest(root, PREFIX)).toEqual([]);
  const lake = seen();
  expect(Object.keys(lake)).toHaveLength(4);
  expect(await newsOf(scene)).toEqual([{ event_type: 'export.completed' }]);
  const { files } = await ended(server, await begin(server, { target: 'private' }));
  expect(files.map(({ sha256 }) => sha256)).toEqual(Object.entries(lake).flatMap(([path, sha256]) => (path.endsWith('.parquet') ? [sha256] : [])));
}

test.concurrent.for([
  ['before a day is read', EXPORT_DAY, 'request'], ['before a day is on record', EXPORT_RECORDED, 'request'], ['right after a day was put on record', EXPORT_RECORDED, 'reply'],
] as const)('killed %s, an export is not to be seen; the next start goes on from the days that are finished', async ([, trap, at], context) => {
  const stage = await setStage(context);
  const { scene, server, seen } = stage;
  const caught = scene.proxy.catch({ ...trap, at });
  const id = await begin(server);
  await caught;
  expect(seen()).toEqual({});
  const before = await tokensOf(scene, id);
  const next = await restart(scene, server);
  await expectWhole(stage, next, id);
  expect(await tokensOf(scene, id)).toMatchObject(before);
});

test.concurrent.for([
  ['with some files shown', EXPORT_SHOWN, 'request', undefined],
  ['with its manifest written', EXPORT_DONE, 'request', 4], ['before it could tell that it has succeeded', EXPORT_DONE, 'reply', 4],
] as const)('killed %s, an export comes to its end at the next start, and is told once', async ([, trap, at, visible], context) => {
  const stage = await setStage(context);
  const { scene, server, seen, root } = stage;
  const caught = scene.proxy.catch({ ...trap, at });
  const id = await begin(server);
  await caught;
  const paths = Object.keys(seen());
  // While no manifest stands, nothing is promised of what can be seen; once it does, all of it holds.
  if (visible === undefined) expect(paths.filter((path) => path.endsWith('_manifest.json'))).toEqual([]);
  else expect([paths.length, visible === 4 ? brokenManifest(root, PREFIX) : []]).toEqual([visible, []]);
  await expectWhole(stage, await restart(scene, server), id);
});

test.concurrent('killed while it replaces a lake, an export is finished by the other process within seconds, and the manifest is never about files that are not there', async (context) => {
  const stage = await setStage(context);
  const { scene, server, root } = stage;
  const other = await scene.start({ direct: true });
  await ended(server, await begin(server));
  await scene.sql("UPDATE cost_data SET service_name = 'another' WHERE date <> '2024-12-03'");
  // So that it is this one that takes it.
  other.signal('SIGSTOP');
  const caught = scene.proxy.catch({ ...EXPORT_SHOWN, at: 'reply' });
  const id = await begin(server);
  await caught;
  other.signal('SIGCONT');
  await server.kill();
  expect(await ended(other, id)).toMatchObject({ status: 'succeeded', row_count: ROWS, unchanged: false });
  expect(brokenManifest(root, PREFIX)).toEqual([]);
  expect(await newsOf(scene)).toHaveLength(2);
});

test.concurrent('a process that sleeps past its lease has its export taken over, and does it no harm when it wakes', async (context) => {
  const stage = await setStage(context);
  const { scene, server } = stage;
  const caught = scene.proxy.catch({ ...EXPORT_RECORDED, at: 'request' });
  const id = await begin(server);
  const connection = await caught;
  server.signal('SIGSTOP');
  const other = await scene.start({ direct: true });
  expect(await ended(other, id)).toMatchObject({ status: 'succeeded' });
  connection.release();
  server.signal('SIGCONT');
  await eventually('what it had staged to be discarded', () => stagedUnder(join(scene.dataDir, 'lake')).length === 0, PATIENCE_MS);
  await expectWhole(stage, other, id);
});

test.concurrent('Postgres that goes in the middle of an export and comes back finds it going on from the days that are finished', async (context) => {
  const stage = await setStage(context);
  const { scene, server, seen } = stage;
  const caught = scene.proxy.catch({ ...EXPORT_DAY, at: 'request' });
  const id = await begin(server);
  await caught;
  const before = await tokensOf(scene, id);
  const outage = scene.proxy.refuse();
  await eventually('the server to have noticed', async () => ((await (await fetch(`${server.url}/readyz`)).json()) as { checks: Record<string, string> }).checks.database !== 'ok', PATIENCE_MS);
  expect(seen()).toEqual({});
  outage.end();
  await expectWhole(stage, server, id);
  expect(await tokensOf(scene, id)).toMatchObject(before);
});

test.concurrent.for([
  ['before its files are to be shown wins: nothing of it is ever seen', 'request', 200, 'cancelled', 0],
  ['once its files are to be shown comes too late: all of them are seen', 'reply', 409, 'succeeded', 4],
] as const)('a cancel that comes %s', async ([, at, status, end, visible], context) => {
  const stage = await setStage(context);
  const { scene, server, seen } = stage;
  const caught = scene.proxy.catch({ ...EXPORT_TO_BE_SHOWN, at });
  const id = await begin(server);
  const connection = await caught;
  expect((await call(server, 'POST', `/v1/datalake/exports/${id}/cancel`)).status).toBe(status);
  connection.release();
  expect(await ended(server, id)).toMatchObject({ status: end });
  await eventually('nothing to be left over', async () => stagedUnder(join(scene.dataDir, 'lake')).length === 0 && (await scene.sql('SELECT FROM exports WHERE leftovers OR claimed_by IS NOT NULL')).length === 0, PATIENCE_MS);
  expect(Object.keys(seen())).toHaveLength(visible);
});

test.concurrent('two processes with many exports of the same and of other lakes: all succeed, and what can be seen is whole and of the last of them', async (context) => {
  const stage = await setStage(context);
  const { scene, server, root } = stage;
  const other = await scene.start({ direct: true, env: { EXPORT_CONCURRENCY: '3' } });
  const ids: string[] = [];
  for (let n = 0; n < 6; n++) {
    await scene.sql("UPDATE cost_data SET service_name = 'round ' || $1 WHERE date = $2::date", [n, ['2024-12-01', '2024-12-02', '2024-12-03'][n % 3]]);
    ids.push(await begin(n % 2 === 0 ? server : other), await begin(n % 2 === 0 ? other : server, { format: 'csv' }));
  }
  for (const id of ids) expect(await ended(server, id)).toMatchObject({ status: 'succeeded', row_count: ROWS });
  for (const prefix of [PREFIX, `${PREFIX}_csv`]) expect(brokenManifest(root, prefix)).toEqual([]);
  expect(await ended(server, await begin(server))).toMatchObject({ unchanged: true });
});

/** A stage whose lake is in S3, one day of it a file. */
async function setS3Stage(context: TestContext): Promise<Stage & { s3: S3Server; destinationId: string }> {
  const s3 = new S3Server();
  await s3.start();
  onTestFinished(() => s3.stop());
  const stage = await setStage(context);
  const { accessKeyId, secretAccessKey, region } = s3.keys;
  const { status, body } = await call<{ destination_id: string }>(stage.server, 'POST', '/v1/datalake/destinations', {
    name: 'lake', type: 's3', bucket: s3.bucket, prefix: 'lake', region, endpoint: s3.endpoint, path_style: true, credentials: { access_key_id: accessKeyId, secret_access_key: secretAccessKey },
  });
  expect([status, body]).toEqual([201, expect.anything()]);
  return { ...stage, s3, destinationId: body.destination_id };
}

test.concurrent.for([['in the middle of an upload', 'UploadPart'], ['between two files that it shows', 'CompleteMultipartUpload'], ['before its manifest', 'PutObject']] as const)('killed %s, an export to S3 comes to its end at the next start: every file whole, none but those of the manifest', async ([, action], context) => {
  const { scene, server, s3, destinationId } = await setS3Stage(context);
  s3.fail(action, 'hang', { key: action === 'PutObject' ? /_manifest/ : /day=02/ });
  const id = await begin(server, { destination_id: destinationId });
  await eventually('it to hang', () => s3.requests.some((request) => request.action === action && (action === 'PutObject' || request.key.includes('day=02'))), PATIENCE_MS);
  expect([...s3.objects.keys()].filter((key) => key.endsWith('_manifest.json'))).toEqual([]);
  if (action === 'UploadPart') expect(s3.objects.size).toBe(0);
  s3.heal();
  const next = await restart(scene, server);
  const seen = await ended(next, id);
  expect(seen).toMatchObject({ status: 'succeeded', row_count: ROWS });
  expect([...s3.objects.keys()].sort()).toEqual([`lake/${PREFIX}/_manifest.json`, ...seen.files.map(({ key }) => `lake/${key}`)].sort());
  for (const { key, bytes, sha256 } of seen.files) expect([s3.objects.get(`lake/${key}`)!.body.length, sha256Of(s3.objects.get(`lake/${key}`)!.body)]).toEqual([bytes, sha256]);
  // Of what the dead process had begun, at most the upload it was in the middle of waits for the sweep.
  expect(s3.uploads.size).toBeLessThanOrEqual(action === 'UploadPart' ? 1 : 0);
});
