import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, type TestContext } from 'vitest';
import { cloneDatabase, dropDatabase, withClient } from '../../support/database.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { QUICK } from '../../support/given.js';
import { ADMIN_KEY } from '../../support/house.js';
import { brokenPromises, isDrained, type Wanted } from './checker.js';
import { brokenAtTheGate } from './gate-checker.js';
import { type LedgerReceiver, startLedgerReceiver } from './ledger-receiver.js';
import { type PostgresProxy, startPostgresProxy } from './postgres-proxy.js';
import { type Kind, Provider, SECRETS } from './provider.js';
import { Publisher } from './publisher.js';
import { SEED } from './random.js';
import { type Server, startServer } from './server.js';

/** Where a calamity takes place: a database behind a proxy, a receiver, a publisher, and servers to be killed. */
export interface Scene {
  proxy: PostgresProxy;
  receiver: LedgerReceiver;
  publisher: Publisher;
  providers: Provider[];
  /** Where servers keep their files, unless they are started with another. */
  dataDir: string;
  webhooks: Wanted[];
  servers: Server[];
  /** Crashes that are no server's, such as those of its database. */
  crashes: number[];
  /** Starts a server; the same `port` again is a restart. Unless `direct`, it speaks to Postgres through the proxy. */
  start(options?: { port?: number; direct?: boolean; env?: Record<string, string> }): Promise<Server>;
  /** Registers a webhook for `events` at the receiver's `path`. */
  webhook(path: string, events: string[], more?: Record<string, unknown>): Promise<Wanted>;
  /** Makes a source, and the provider that posts to it. */
  provider(kind: Kind): Promise<Provider>;
  sql<Row>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Waits until nothing is under way any more. */
  drained(withinMs?: number): Promise<void>;
  /** What the independent checkers find wrong. With `endsWithinMs` every request has to have ended so, as 2xx or 503. */
  brokenPromises(options?: { endsWithinMs?: number }): Promise<string[]>;
}

/** For what is to happen, with no promise how soon: a busy machine may take its time. */
export const PATIENCE_MS = 60_000;
/** In which every request has to end during a fault: within a second on a machine with time for it, and never in a hang. */
export const SOON_MS = 5_000;
/** A busy machine is no overload: has nobody turned away for it. */
export const UNHURRIED = { ADMISSION_TARGET_MS: '1000' };

/** Scenes at once in one test file: most of a scene is waiting, but starting its servers is not. */
const PLACES = 3;
let taken = 0;

/**
 * Sets a scene on a copy of the template database, on the database of the caller, or, with `folder`, on
 * the embedded one that a server starts under it. Clears it away after the test,
 * and tells what the servers wrote when it fails.
 */
export async function setScene({ onTestFailed, onTestFinished }: TestContext, { databaseUrl: given, folder }: { databaseUrl?: string; folder?: string } = {}): Promise<Scene> {
  await eventually('a free place for a scene', () => taken < PLACES && Boolean(++taken), 2 * PATIENCE_MS);
  onTestFinished(() => void taken--);
  const postgresUrl = inject('postgresUrl');
  const clone = given || folder ? undefined : await cloneDatabase(postgresUrl);
  // A server with a Postgres of its own leaves the URL in its folder.
  const databaseUrl = (): string => given ?? clone ?? readFileSync(join(folder!, 'database.url'), 'utf8').trim();
  const [proxy, receiver] = await Promise.all([startPostgresProxy(databaseUrl), startLedgerReceiver()]);
  const dataDir = folder ?? temporaryFolder();
  const servers: Server[] = [];
  const alive = (): Server[] => servers.filter(({ exitedAt }) => exitedAt === undefined);
  // While nobody lives, publishers and providers keep knocking where the last one did.
  const urls = (): string[] => [...new Set((alive().length > 0 ? alive() : servers.slice(-1)).map(({ url }) => url))];
  const post = (path: string, body: object): Promise<Response> => fetch(`${alive()[0]!.url}${path}`, {
    method: 'POST', headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  const scene: Scene = {
    proxy, receiver, servers, dataDir,
    publisher: new Publisher(urls),
    providers: [], webhooks: [], crashes: [],
    async start({ port, direct = false, env = {} } = {}) {
      const server = await startServer({ ...(!folder && { DATABASE_URL: direct ? databaseUrl() : proxy.url }), DATA_DIR: dataDir, PORT: String(port ?? (await freePort())), ...env });
      servers.push(server);
      return server;
    },
    async webhook(path, events, more = {}) {
      const response = await post('/v1/webhooks', { url: `${receiver.url}${path}`, events, retry_policy: QUICK, ...more });
      if (response.status !== 201) throw new Error(`The webhook was refused: ${await response.text()}`);
      const { webhook_id: webhookId } = (await response.json()) as { webhook_id: string };
      const webhook = { webhookId, path, wants: (type: string) => events.includes(type) };
      scene.webhooks.push(webhook);
      return webhook;
    },
    async provider(kind) {
      const response = await post('/v1/sources', { name: kind, provider: kind, secrets: SECRETS[kind] });
      if (response.status !== 201) throw new Error(`The source was refused: ${await response.text()}`);
      const { source_id, ingest_path } = (await response.json()) as { source_id: string; ingest_path: string };
      const provider = new Provider(kind, source_id, ingest_path, urls);
      scene.providers.push(provider);
      return provider;
    },
    sql: (text, values = []) => withClient(databaseUrl(), async (client) => (await client.query(text, values)).rows),
    async drained(withinMs = PATIENCE_MS) {
      await Promise.all(alive().filter(({ isStopped }) => !isStopped).map(({ url }) => eventually('the spools to be empty', async () => {
        const { checks } = (await (await fetch(`${url}/readyz`)).json()) as { checks: Record<string, string> };
        return checks.database === 'ok' && (checks.spool ?? 'ok') === 'ok';
      }, withinMs)));
      await withClient(databaseUrl(), (client) => eventually('everything to be delivered or dead', () => isDrained(client), withinMs));
    },
    brokenPromises: async ({ endsWithinMs } = {}) => [
      ...(await brokenPromises(databaseUrl(), {
        published: scene.publisher.published, receipts: receiver.receipts, webhooks: scene.webhooks,
        crashes: [...scene.crashes, ...servers.flatMap(({ exitedAt }) => exitedAt ?? [])].sort((a, b) => a - b),
        starts: servers.map(({ readyAt }) => readyAt),
      })),
      ...(await brokenAtTheGate(databaseUrl(), { published: scene.publisher.published, notices: scene.providers.flatMap(({ notices }) => notices), endsWithinMs, mayBreak: servers.some(({ exitedAt }) => exitedAt) })),
    ],
  };
  onTestFailed(() => {
    console.error(`CALAMITY_SEED=${SEED} repeats this run`);
    for (const { pid, output } of servers) console.error(`--- server ${pid}\n${output().slice(-4_000)}`);
  });
  onTestFinished(async () => {
    for (const server of alive()) await server.kill();
    await Promise.all([proxy.close(), receiver.close()]);
    if (clone) await dropDatabase(postgresUrl, clone);
    rmSync(dataDir, { recursive: true, force: true });
  });
  return scene;
}

/** A folder that the account of an embedded database may enter. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lakehook-calamity-'));
  chmodSync(folder, 0o755);
  return folder;
}
