import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { root } from '../setup.mjs';
import { costEvents } from './events.mjs';
import { addUp, costRecords, openDuckDb } from './lake.mjs';
import { startReceiver } from './receiver.mjs';

const once = process.argv.includes('--once');
const dataDir = resolve(process.env.DATA_DIR || join(root, 'data/demo'));
const misses = [];

const say = (text = '') => console.log(text);
const title = (text) => say(`\n\x1b[1m${text}\x1b[0m`);

/** One thing the demo promises; what does not happen makes `--once` fail. */
function check(what, happened) {
  say(`  ${happened ? '\x1b[32m✓\x1b[0m' : '\x1b[31m✗\x1b[0m'} ${what}`);
  if (!happened) misses.push(what);
}

const port = Number(process.env.PORT) || (await freePort(8080));
const url = `http://127.0.0.1:${port}`;
const adminKey = rememberAdminKey();
const receiver = await startReceiver();
const server = startServer();
const gone = new Promise((resolveGone) => server.once('exit', resolveGone));
const hasEnded = () => server.exitCode !== null || server.signalCode !== null;

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void finish(0));

try {
  await ready();
  await tell();
} catch (error) {
  misses.push(error.message);
  say(`\n  ${error.stack}`);
}

if (once || misses.length > 0) {
  if (misses.length > 0) say(`\n  Did not happen: ${misses.join('; ')}`);
  await finish(misses.length > 0 ? 1 : 0);
} else {
  title('Lakehook stays up. Ctrl-C ends it; the data stays.');
  process.exit((await gone) ?? 1);
}

async function tell() {
  const run = Date.now().toString(36);

  title('1. A webhook is registered on a receiver');
  await removeOldDemoWebhooks();
  const webhook = await call('POST', '/v1/webhooks', { url: receiver.url, description: 'Lakehook demo', retry_policy: { max_retries: 3, base_seconds: 0.5, factor: 2, max_seconds: 2 } });
  receiver.trust(webhook.secret);
  say(`  ${webhook.webhook_id} → ${receiver.url}`);

  title('2. Cost events are published');
  const events = costEvents(run);
  const { data: published } = await call('POST', '/v1/events', { events });
  for (const { event_id, event_type, data } of events) say(`  ${event_id.padEnd(20)} ${event_type.padEnd(18)} ${JSON.stringify(data).slice(0, 72)}`);
  check(`${events.length} events were acknowledged: committed, they will not be lost`, published.length === events.length && published.every(({ duplicate }) => duplicate === false));
  const again = await call('POST', '/v1/events', events[0]);
  check(`publishing ${events[0].event_id} again is answered with duplicate: true`, again.duplicate === true);

  title('3. They arrive, signed');
  const deliveries = await settled(webhook.webhook_id, events.length);
  for (const { type, attempt, status, verified, bytes } of receiver.arrivals) say(`  ${type.padEnd(18)} attempt ${attempt}  answered ${status}  ${bytes} bytes  signature ${verified ? 'verified' : 'WRONG'}`);
  check('every signature verified with the public standardwebhooks library', receiver.arrivals.length > 0 && receiver.arrivals.every(({ verified }) => verified));
  const idle = events.find(({ event_type }) => event_type === 'resource_idle');
  const arrivalsOfIdle = receiver.arrivals.filter(({ id }) => id === idle.event_id).map(({ status }) => status);
  check('the refused event was tried again until it was taken (503, 503, 200)', arrivalsOfIdle.join() === '503,503,200');

  title('4. The delivery log');
  say(`  ${'event type'.padEnd(18)} ${'status'.padEnd(10)} attempts`);
  for (const { event_type, status, attempt_count } of deliveries) say(`  ${event_type.padEnd(18)} ${status.padEnd(10)} ${attempt_count}`);
  check(`${events.length - 1} deliveries succeeded`, deliveries.filter(({ status }) => status === 'succeeded').length === events.length - 1);

  title('5. The hopeless one lies with the dead letters, with the reason in words');
  const { data: dead } = await call('GET', `/v1/dead-letters?webhook_id=${webhook.webhook_id}`);
  for (const { event_type, reason } of dead) say(`  ${event_type}: ${reason}`);
  check('one dead letter: budget_exceeded', dead.length === 1 && dead[0].event_type === 'budget_exceeded');

  await tellOfTheLake();

  title('8. Where to go from here');
  say(`  API docs     ${url}/docs`);
  say(`  Admin key    ${adminKey}`);
  say(`  Publish      curl ${url}/v1/events -H 'authorization: Bearer ${adminKey}' -H 'content-type: application/json' -d '{"event_type":"hello","data":{"to":"you"}}'`);
  say(`  Look inside  psql "$(cat ${join(dataDir, 'database.url')})" -c 'SELECT * FROM delivery_log ORDER BY created_at DESC LIMIT 20'`);
}

async function tellOfTheLake() {
  title('6. Costs come in, and leave as Parquet');
  const records = costRecords(3);
  const [from, to] = [records[0].date, new Date().toISOString().slice(0, 10)];
  // Under the same key they are stored once, however often the demo runs that day.
  await call('POST', '/v1/cost/records', { records }, { 'idempotency-key': `demo-costs-${to}` });
  say(`  ${records.length} cost records of ${from} and the days after it`);
  const { export_id } = await call('POST', '/v1/datalake/exports', { dataset: 'cost_data', format: 'parquet', from, to });
  const exported = await ended(export_id);
  for (const { key, row_count, bytes } of exported.files) say(`  ${key}  ${row_count} rows  ${bytes} bytes`);
  check('the export is complete: a Parquet file for each day, listed in _manifest.json', exported.status === 'succeeded' && exported.files.length === 3);

  title('7. DuckDB reads them as a table');
  const duckdb = await openDuckDb();
  if (!duckdb) return say('  DuckDB is not installed here (@duckdb/node-api comes with the development dependencies), so nobody reads them this time.');
  const { statements } = await call('GET', '/v1/datalake/datasets/cost_data/ddl?engine=duckdb');
  for (const statement of statements) await duckdb.run(statement);
  const days = `make_date(year, month, day) >= DATE '${from}' AND make_date(year, month, day) < DATE '${to}'`;
  for (const { service_name, rows, billed } of await duckdb.rows(`SELECT service_name, count(*)::INTEGER AS rows, sum(billed_cost)::VARCHAR AS billed FROM cost_data WHERE ${days} GROUP BY ALL ORDER BY ALL`)) say(`  ${service_name.padEnd(18)} ${String(rows).padStart(3)} rows  ${billed} USD`);
  const [{ billed }] = await duckdb.rows(`SELECT sum(billed_cost)::VARCHAR AS billed FROM cost_data WHERE ${days}`);
  const expected = addUp(exported.files.map(({ sums }) => sums.billed_cost));
  check(`DuckDB adds them up to ${billed} USD, which is right to the last digit`, billed === expected);
}

async function ended(exportId) {
  for (const deadline = Date.now() + 60_000; ; ) {
    const found = await call('GET', `/v1/datalake/exports/${exportId}`);
    if (found.status !== 'queued' && found.status !== 'running') return found;
    if (Date.now() > deadline) throw new Error(`the export did not end within a minute: it is ${found.status}`);
    await pause(200);
  }
}

function startServer() {
  // Loopback receivers are what a demo has; a server that faces the world leaves this off.
  const env = { ...process.env, PORT: String(port), DATA_DIR: dataDir, LAKEHOOK_ADMIN_KEY: adminKey, OUTBOUND_ALLOW_PRIVATE: process.env.OUTBOUND_ALLOW_PRIVATE || 'true', LOG_LEVEL: process.env.LOG_LEVEL || 'warn' };
  return spawn(process.execPath, [join(root, 'dist/main.js')], { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
}

async function ready() {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline && !hasEnded(); ) {
    if (await fetch(`${url}/readyz`).then((answer) => answer.ok, () => false)) return;
    await pause(100);
  }
  throw new Error(hasEnded() ? 'the server ended before it was ready' : 'the server was not ready within two minutes');
}

async function settled(webhookId, count) {
  for (const deadline = Date.now() + 60_000; ; ) {
    const { data } = await call('GET', `/v1/webhooks/${webhookId}/deliveries?limit=200`);
    if (data.length >= count && data.every(({ status }) => status === 'succeeded' || status === 'dead')) return data;
    if (Date.now() > deadline) throw new Error(`the deliveries did not settle within a minute: ${JSON.stringify(data.map(({ status }) => status))}`);
    await pause(200);
  }
}

async function removeOldDemoWebhooks() {
  const { data } = await call('GET', '/v1/webhooks?limit=200');
  // An earlier demo's receiver is gone, and its port may be somebody else's by now.
  for (const { webhook_id, description } of data) if (description === 'Lakehook demo') await call('DELETE', `/v1/webhooks/${webhook_id}`);
}

async function call(method, path, body, headers = {}) {
  const request = { method, headers: { authorization: `Bearer ${adminKey}`, ...headers } };
  if (body) Object.assign(request, { headers: { ...request.headers, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const answer = await fetch(url + path, request);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return text ? JSON.parse(text) : undefined;
}

async function finish(code) {
  receiver.close();
  if (!hasEnded()) server.kill('SIGTERM');
  await gone;
  process.exit(code);
}

function rememberAdminKey() {
  if (process.env.LAKEHOOK_ADMIN_KEY) return process.env.LAKEHOOK_ADMIN_KEY;
  const path = join(dataDir, 'admin.key');
  mkdirSync(dataDir, { recursive: true });
  if (!existsSync(path)) writeFileSync(path, `demo-${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  return readFileSync(path, 'utf8').trim();
}

function freePort(preferred) {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once('error', () => (preferred ? done(freePort(0)) : fail(new Error('no free port'))));
    probe.listen(preferred, () => {
      const found = probe.address().port;
      probe.close(() => done(found));
    });
  });
}

function pause(ms) {
  return new Promise((wake) => setTimeout(wake, ms));
}
