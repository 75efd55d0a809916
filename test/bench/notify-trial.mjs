/**
 * A trial for docs/decisions/0009, not part of `npm run bench`: what a NOTIFY in every transaction costs those that commit at the
 * same time. `node scripts/setup.mjs && npx node test/bench/notify-trial.mjs`
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../dist/platform/db/embedded.js';
import { median, summarise } from './stats.mjs';

const ROUNDS = 3;
const ROUND_MS = 2_500;
const home = mkdtempSync(join(tmpdir(), 'lakehook-trial-'));
chmodSync(home, 0o755);
const postgres = await startEmbeddedPostgres(home, () => {});
const listener = await connect();
await listener.query('LISTEN trial');
await listener.query('CREATE TABLE trial (place int, text text)');

console.log('| transactions at a time | with NOTIFY, commits/s | without | commit p99, ms: with | without |\n|---|--:|--:|--:|--:|');
for (const count of [1, 2, 4, 8]) {
  const clients = await Promise.all(Array.from({ length: count }, connect));
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push([await measure(clients, true), await measure(clients, false)]);
  await Promise.all(clients.map((client) => client.end()));
  const of = (way, figure, digits) => median(rounds.map((round) => round[way][figure])).toFixed(digits);
  console.log(`| ${count} | ${of(0, 'perSecond', 0)} | ${of(1, 'perSecond', 0)} | ${of(0, 'p99', 2)} | ${of(1, 'p99', 2)} |`);
}
await listener.end();
await postgres.stop();
rmSync(home, { recursive: true, force: true });

async function connect() {
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  return client;
}

async function measure(clients, notifies) {
  const commits = [];
  const end = performance.now() + ROUND_MS;
  await Promise.all(clients.map(async (client) => {
    while (performance.now() < end) {
      await client.query('BEGIN');
      await client.query("INSERT INTO trial SELECT n, repeat('x', 500) FROM generate_series(1, 20) AS n");
      if (notifies) await client.query("SELECT pg_notify('trial', 'called')");
      const begun = performance.now();
      await client.query('COMMIT');
      commits.push(performance.now() - begun);
    }
  }));
  return { perSecond: (1_000 * commits.length) / ROUND_MS, p99: summarise(commits).p99 };
}
