import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { type Server, startServer } from './server.js';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const folder = mkdtempSync(join(tmpdir(), 'lakehook-start-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const adminKeyIn = (server: Server): string => /shown this once: +(\S+)/.exec(server.output())![1]!;
const listWebhooks = (server: Server, key: string) => fetch(`${server.url}/v1/webhooks`, { headers: { authorization: `Bearer ${key}` } });
const databaseOf = (dataDir: string): string => readFileSync(join(dataDir, 'database.url'), 'utf8').trim();

test('two servers run side by side, each prints its admin key once, and Ctrl-C stops all that they started', async () => {
  const [a, b] = [join(folder, 'a'), join(folder, 'b with a space')];
  const servers = await Promise.all([startServer(a), startServer(b)]);
  const keys = servers.map(adminKeyIn);
  for (const [index, server] of servers.entries()) {
    expect((await listWebhooks(server, keys[index]!)).status).toBe(200);
    expect((await listWebhooks(server, keys[1 - index]!)).status).toBe(401);
  }
  expect(databaseOf(a)).not.toBe(databaseOf(b));
  expect(await Promise.all(servers.map((server) => server.end('SIGINT')))).toEqual([0, 0]);
  for (const dataDir of [a, b]) await expect(withClient(databaseOf(dataDir), async () => {})).rejects.toThrow();

  const again = await startServer(a);
  expect(again.output()).not.toContain('admin key');
  expect((await listWebhooks(again, keys[0]!)).status).toBe(200);
  expect(await again.end('SIGTERM')).toBe(0);
}, 120_000);

test('a killed server leaves its database running, and the next start goes on with it', async () => {
  const dataDir = join(folder, 'killed');
  const first = await startServer(dataDir);
  const key = adminKeyIn(first);
  await first.end('SIGKILL');
  const second = await startServer(dataDir);
  expect((await listWebhooks(second, key)).status).toBe(200);
  expect(await second.end('SIGTERM')).toBe(0);
}, 60_000);

test('a second server on the same embedded database is refused with a sentence, and the first goes on', async () => {
  const dataDir = join(folder, 'taken');
  const first = await startServer(dataDir);
  await expect(startServer(dataDir)).rejects.toThrow(/Another Lakehook runs on the embedded database/);
  expect((await listWebhooks(first, adminKeyIn(first))).status).toBe(200);
  expect(await first.end('SIGTERM')).toBe(0);
}, 60_000);

test('a killed database is back within seconds, while the server stays up', async () => {
  const dataDir = join(folder, 'revived');
  const server = await startServer(dataDir);
  const key = adminKeyIn(server);
  const [row] = await withClient(databaseOf(dataDir), async (client) => (await client.query("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) AS pid")).rows);
  process.kill(Number(row.pid), 'SIGKILL');
  await eventually('the database to be gone', () => listWebhooks(server, key).then(({ status }) => status === 503));
  await eventually('the server to answer again', () => listWebhooks(server, key).then(({ status }) => status === 200), 20_000);
  expect(await server.end('SIGTERM')).toBe(0);
}, 60_000);

test.runIf(isRoot)('root can start it under a home that only its owner may enter', async () => {
  const home = join(folder, 'home');
  mkdirSync(home);
  chmodSync(home, 0o700);
  // Not the account that the database runs as.
  chownSync(home, 12_345, 12_345);
  const dataDir = join(home, 'deep', 'data');
  const server = await startServer(dataDir);
  const [row] = await withClient(databaseOf(dataDir), async (client) => (await client.query('SHOW data_directory')).rows);
  expect(row.data_directory).toMatch(/^\/var\/lib\/lakehook\//);
  expect(await server.end('SIGTERM')).toBe(0);
  rmSync(join(row.data_directory, '..'), { recursive: true });
}, 60_000);

test.runIf(isRoot)('an ordinary user can start it', async () => {
  const dataDir = join(folder, 'ordinary');
  chmodSync(folder, 0o755);
  mkdirSync(dataDir);
  chownSync(dataDir, NOBODY, NOBODY);
  const server = await startServer(dataDir, {}, { uid: NOBODY, gid: NOBODY });
  expect(existsSync(join(dataDir, 'postgres', 'PG_VERSION'))).toBe(true);
  expect(await server.end('SIGTERM')).toBe(0);
}, 60_000);
