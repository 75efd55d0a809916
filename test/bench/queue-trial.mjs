/**
 * A trial for docs/decisions/0001, not part of `npm run bench`: what it would cost to make every delivery attempt a pg-boss job
 * that is claimed and settled on its own. `node scripts/setup.mjs && npx node test/bench/queue-trial.mjs [jobs]`
 *
 * Jobs are sent as fan-out would (1,000 to a statement) and worked by a handler that does nothing, so the whole cost is that
 * of the queue: no HTTP, no record of the attempt.
 */
import 'reflect-metadata';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { PgBoss } from 'pg-boss';
import { startEmbeddedPostgres } from '../../dist/platform/db/embedded.js';
import { familyCpuMs, parentOf } from './cpu.mjs';

const JOBS = Number(process.argv[2] ?? 10_000);
const home = mkdtempSync(join(tmpdir(), 'lakehook-trial-'));
chmodSync(home, 0o755);
const postgres = await startEmbeddedPostgres(home, () => {});
const client = new Client({ connectionString: postgres.url });
await client.connect();
const postmaster = parentOf((await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid);
await client.end();

console.log('| one pg-boss job per attempt | jobs/s | process µs per job | Postgres µs per job |\n|---|--:|--:|--:|');
for (const [name, options] of [
  ['claimed and settled one by one, 16 at once', { batchSize: 1, localConcurrency: 16 }],
  ['claimed and settled one by one, 64 at once', { batchSize: 1, localConcurrency: 64 }],
  ['in batches of 500, each settled when its slowest ends', { batchSize: 500, localConcurrency: 2, perJobResults: true, burstWhenBatchFull: true }],
]) {
  try {
    console.log(await measure(name, options));
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}
await postgres.stop();
rmSync(home, { recursive: true, force: true });

async function measure(name, options) {
  const boss = new PgBoss({ connectionString: postgres.url, max: 20, useListenNotify: true, monitorIntervalSeconds: 1, superviseIntervalSeconds: 1, queueCacheIntervalSeconds: 1 });
  boss.on('error', () => {});
  await boss.start();
  const queue = `trial-${options.batchSize}-${options.localConcurrency}`;
  await boss.createQueue(queue, { notify: true });
  for (let sent = 0; sent < JOBS; sent += 1000) await boss.insert(queue, Array.from({ length: 1000 }, (_, n) => ({ data: { delivery_id: `${sent + n}` } })));
  await new Promise((wake) => setTimeout(wake, 3_000));
  let done = 0;
  const started = performance.now();
  const before = { process: process.cpuUsage(), postgres: familyCpuMs(postmaster) };
  await new Promise((resolve, reject) => {
    // The backlog is known to the workers, so that none waits for its polling interval while there is work.
    boss.work(queue, { pollingIntervalSeconds: 0.5, burstWhenReadyExceeds: 1, ...options }, async (jobs) => {
      done += jobs.length;
      if (done >= JOBS) setTimeout(resolve, 0);
      return jobs.map(({ id }) => ({ id, status: 'completed' }));
    }).catch(reject);
  });
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(before.process);
  const postgresUs = ((familyCpuMs(postmaster) - before.postgres) * 1000) / JOBS;
  await boss.stop({ graceful: false });
  return `| ${name} | ${Math.round(JOBS / seconds).toLocaleString('en')} | ${Math.round((used.user + used.system) / JOBS)} | ${Math.round(postgresUs)} |`;
}
