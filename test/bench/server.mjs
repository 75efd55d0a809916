/**
 * The server under test: `dist/main.js` as an operator would run it, or `clocked-server.mjs`, whose clock can be moved; with a
 * data folder of its own and the embedded database, driven and checked from outside: over HTTP, and in the database for what
 * was really stored.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { cpuMs, familyCpuMs, parentOf } from './cpu.mjs';
import { Helper } from './helper.mjs';

const root = resolve(fileURLToPath(import.meta.url), '../../..');
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

export class Server {
  key = randomBytes(24).toString('base64url');
  #output = '';

  /**
   * `profileDir`: the server is profiled, and writes there when it stops. `entry`: the program. `lendsDatabase`: its database is
   * not its own, so that it can be taken away. Call `stop` also when this fails.
   */
  async start({ profileDir, entry = 'dist/main.js', lendsDatabase = false } = {}) {
    this.home = mkdtempSync(join(tmpdir(), 'lakehook-bench-'));
    // PostgreSQL runs as another user when we are root, and must be able to enter.
    chmodSync(this.home, 0o755);
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    if (profileDir) mkdirSync(profileDir, { recursive: true });
    const { DATABASE_URL: _, ...inherited } = process.env;
    const lent = lendsDatabase ? { DATABASE_URL: await this.#lendDatabase() } : {};
    const flags = profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : [];
    this.child = spawn(process.execPath, [...flags, join(root, entry)], {
      cwd: root,
      env: { LOG_LEVEL: 'warn', ...inherited, ...lent, PORT: String(this.port), HOST: '127.0.0.1', DATA_DIR: this.home, LAKEHOOK_ADMIN_KEY: this.key, OUTBOUND_ALLOW_PRIVATE: 'true' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk) => (this.#output = (this.#output + chunk).slice(-20_000)));
    }
    await this.#ready();
    this.databaseUrl = readFileSync(join(this.home, 'database.url'), 'utf8').trim();
    await this.#connect();
  }

  #lendDatabase() {
    this.lender = new Helper('database.mjs');
    return this.lender.call('start', this.home);
  }

  /** Stops the lent database at once, as a crash would: nobody is told, nothing is finished. */
  async takeDatabase() {
    await this.db.end();
    await this.lender.stop();
    // Postgres's immediate shutdown.
    await endProcess(this.postmaster, 'SIGQUIT');
  }

  /** Resolves when it answers again. */
  async returnDatabase() {
    await this.#lendDatabase();
    await this.#connect();
  }

  async #connect() {
    this.db = new Client({ connectionString: this.databaseUrl, application_name: 'bench' });
    this.db.on('error', () => {});
    await this.db.connect();
    const { rows: [row] } = await this.db.query("SELECT pg_backend_pid() AS pid, current_setting('server_version') AS version");
    this.postmaster = parentOf(row.pid);
    this.postgresVersion = row.version;
  }

  async #ready() {
    for (const deadline = Date.now() + 120_000; Date.now() < deadline; await sleep(100)) {
      if (this.child.exitCode !== null) throw new Error(`the server ended with ${this.child.exitCode}:\n${this.#output}`);
      if (existsSync(join(this.home, 'database.url')) && (await fetch(`${this.url}/readyz`).then(({ ok }) => ok, () => false))) return;
    }
    throw new Error(`the server did not become ready:\n${this.#output}`);
  }

  /** Moves the clock of a `clocked-server.mjs` forward. */
  async advance(ms) {
    const moved = new Promise((done) => this.child.once('message', done));
    this.child.send({ advance: ms });
    await moved;
  }

  /** What the server said last: worth a look when something went wrong. */
  get output() {
    return this.#output;
  }

  /** One call of the API, with the first tenant's key or another; anything but 2xx throws. */
  async call(method, path, body, key = this.key) {
    const text = typeof body === 'string' ? body : body && JSON.stringify(body);
    const headers = { authorization: `Bearer ${key}`, ...(text && { 'content-type': 'application/json' }) };
    const response = await fetch(`${this.url}${path}`, { method, headers, ...(text && { body: text }) });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${answer.slice(0, 500)}`);
    return answer ? JSON.parse(answer) : undefined;
  }

  /** A database of the same cluster, for a floor. @returns {Promise<string>} its URL */
  async makeDatabase(name) {
    await this.db.query(`CREATE DATABASE ${name}`);
    return this.databaseUrl.replace(/\/[^/]*$/, `/${name}`);
  }

  /** Events of a type in the log. */
  async countEvents(eventType) {
    const { rows } = await this.db.query('SELECT count(*)::int AS count FROM events WHERE event_type = $1', [eventType]);
    return rows[0].count;
  }

  /** Events in the log that came in through some sources. @param {Record<string, string>} sourceIds */
  async countReceived(sourceIds) {
    const { rows } = await this.db.query('SELECT count(*)::int AS count FROM events WHERE source_id = ANY($1)', [Object.values(sourceIds)]);
    return rows[0].count;
  }

  /**
   * How many of these keys no event has, and how many keys several have. `key`: SQL that reads the key of an event; `where`: of
   * which events, by `$2`.
   * @returns {Promise<{lost: number, doubled: number}>}
   */
  async compareLog(keys, key, where, value) {
    const { rows: [row] } = await this.db.query(`
      WITH log AS MATERIALIZED (SELECT ${key} AS key, count(*) AS times FROM events WHERE ${where} GROUP BY 1)
      SELECT (SELECT count(*)::int FROM unnest($1::text[]) AS acknowledged(key) LEFT JOIN log USING (key) WHERE times IS NULL) AS lost,
             (SELECT count(*)::int FROM log WHERE times > 1) AS doubled`, [keys, value]);
    return row;
  }

  /** Connections to the database, ours and its own workers left out. */
  async countConnections() {
    const { rows } = await this.db.query("SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
    return rows[0].count;
  }

  /** Deliveries of some webhooks by status. @returns {Promise<Record<string, number>>} */
  async countDeliveries(webhookIds) {
    const { rows } = await this.db.query('SELECT status, count(*)::int AS count FROM deliveries WHERE webhook_id = ANY($1) GROUP BY 1', [webhookIds]);
    return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
  }

  /**
   * Of each delivery of a webhook, in milliseconds: from `sent_at` of its event's data until the event was recorded, from there
   * until fan-out took it up, and from there until it was claimed and sent.
   * @returns {Promise<{at: number, recording: number, fanOut: number, claiming: number}[]>}
   */
  async stages(webhookId) {
    const { rows } = await this.db.query(`
      SELECT at, recorded - at AS recording, created - recorded AS "fanOut", started - created AS claiming
        FROM (SELECT (e.data ->> 'sent_at')::float8 AS at, extract(epoch FROM d.event_recorded_at)::float8 * 1000 AS recorded,
                     extract(epoch FROM d.created_at)::float8 * 1000 AS created, extract(epoch FROM a.started_at)::float8 * 1000 AS started
                FROM deliveries d JOIN attempts a USING (delivery_id)
                JOIN events e ON e.tenant_id = d.tenant_id AND e.recorded_at = d.event_recorded_at AND e.event_id = d.event_id
               WHERE d.webhook_id = $1 AND a.attempt = 1) times`, [webhookId]);
    return rows;
  }

  /** Milliseconds of CPU used so far by a process, normally the server's, and by the database. */
  cpu(pid = this.child.pid) {
    return { server: cpuMs(pid), postgres: familyCpuMs(this.postmaster) };
  }

  /** Jobs that are not done: events of a batch that nobody has been matched to yet, mostly. */
  async waitingJobs() {
    const { rows } = await this.db.query("SELECT count(*)::int AS count FROM pgboss.job WHERE state IN ('created', 'active', 'retry')");
    return rows[0].count;
  }

  /** What the cluster has written so far. Statistics reach the views up to a second late; over a phase that is little. */
  async written() {
    const { rows: [row] } = await this.db.query(`SELECT
      (SELECT sum(xact_commit)::float8 FROM pg_stat_database) AS commits,
      (SELECT wal_bytes::float8 FROM pg_stat_wal) AS "walBytes"`);
    return row;
  }

  /** Sums of some metrics of the server, by name. @param {string[]} names */
  async metrics(names) {
    const text = await fetch(`${this.url}/metrics`, { headers: { authorization: `Bearer ${this.key}` } }).then((response) => response.text());
    return Object.fromEntries(names.map((name) => [name, Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)]));
  }

  /**
   * Resolves when server and database have ended what they were busy with, so that the next measurement starts like the
   * last; a checkpoint makes that true of the write-ahead log as well.
   */
  async quiet(limitMs = 60_000) {
    const step = 300;
    for (const deadline = Date.now() + limitMs; Date.now() < deadline; ) {
      const before = this.cpu();
      await sleep(step);
      const after = this.cpu();
      // Where CPU time is not known, only the jobs count.
      if ((await this.waitingJobs()) === 0 && !(after.server - before.server > 0.2 * step) && !(after.postgres - before.postgres > 0.2 * step)) break;
    }
    await this.db.query('CHECKPOINT');
  }

  async stop() {
    await this.db?.end().catch(() => {});
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      const gone = new Promise((done) => this.child.once('exit', done));
      this.child.kill('SIGTERM');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), 35_000);
      await gone;
      clearTimeout(timer);
    }
    await this.lender?.stop();
    await this.#stopDatabase();
    if (this.home) rmSync(this.home, { recursive: true, force: true });
  }

  /** A server that died leaves its database running, for its next start to find. There is none here. */
  async #stopDatabase() {
    const pid = this.home && (this.postmaster ?? pidIn(join(this.home, 'postgres/postmaster.pid')));
    if (!pid || !isAlive(pid)) return;
    // Postgres's fast shutdown.
    await endProcess(pid, 'SIGINT');
  }
}

function pidIn(file) {
  try {
    return Number(readFileSync(file, 'utf8').split('\n', 1)[0]);
  } catch {
    return undefined;
  }
}

async function endProcess(pid, signal) {
  process.kill(pid, signal);
  for (let i = 0; i < 200 && isAlive(pid); i++) await sleep(50);
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once('error', fail);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
