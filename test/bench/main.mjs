/**
 * # The bench: rates and ratios of one run
 *
 * Absolute numbers belong to a machine and an hour; ratios against a floor of the same run travel. So the server under test
 * (`server.mjs`) is measured next to the least that could do the job (`floor-*.mjs`), in turns, under load from `generator.mjs`,
 * with deliveries counted by `receiver.mjs`; all of them processes of their own. Each file of `scenarios/` tells what it
 * measures. Medians of three rounds; `--quick` takes one short one; `--million` is for `burst`. `soak` and `outage` run only when
 * they are named.
 *
 * A slow number never fails the run. A wrong one does: a lost event, a refusal, a delivery that the database does not know.
 *
 *     npm run bench [-- publish inbound delivery latency isolation features fanout burst datalake soak storm outage] [--quick] [--million] [--json] [--profile]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { Bench, DATA_BYTES } from './bench.mjs';
import { describeProfiles, profileClock } from './profile.mjs';
import { table } from './report.mjs';
import { burst } from './scenarios/burst.mjs';
import { datalake } from './scenarios/datalake.mjs';
import { delivery } from './scenarios/delivery.mjs';
import { fanout } from './scenarios/fanout.mjs';
import { features } from './scenarios/features.mjs';
import { inbound } from './scenarios/inbound.mjs';
import { isolation } from './scenarios/isolation.mjs';
import { latency } from './scenarios/latency.mjs';
import { outage } from './scenarios/outage.mjs';
import { publish } from './scenarios/publish.mjs';
import { soak } from './scenarios/soak.mjs';
import { storm } from './scenarios/storm.mjs';

/** In this order: latency takes its load from what delivery found, and storm and outage put another server in the place of this one. */
const SCENARIOS = { publish, inbound, delivery, latency, isolation, features, fanout, burst, datalake, soak, storm, outage };
const ONLY_NAMED = ['soak', 'outage'];
const FLAGS = ['--quick', '--million', '--json', '--profile'];

async function main() {
  const args = process.argv.slice(2).filter((arg) => arg !== '--');
  const unknown = args.filter((arg) => !FLAGS.includes(arg) && !(arg in SCENARIOS));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(' ')}. Scenarios: ${Object.keys(SCENARIOS).join(', ')}. Flags: ${FLAGS.join(', ')}.`);
  const named = args.filter((arg) => arg in SCENARIOS);
  const names = Object.keys(SCENARIOS).filter((name) => (named.length === 0 ? !ONLY_NAMED.includes(name) : named.includes(name)));
  const profileDir = args.includes('--profile') ? mkdtempSync(join(tmpdir(), 'lakehook-profile-')) : undefined;
  const json = args.includes('--json');
  const started = Date.now();

  const bench = new Bench({ quick: args.includes('--quick'), million: args.includes('--million'), profileDir });
  closeOnSignal(bench);
  const results = {};
  const window = [0, 0];
  const machine = describeMachine();
  try {
    await bench.open();
    machine.postgres = bench.server.postgresVersion;
    window[0] = profileClock();
    for (const name of names) {
      results[name] = await SCENARIOS[name](bench, results);
      if (!json) console.log(table(name, results[name]));
    }
  } catch (error) {
    if (bench.closing) return;
    if (bench.server?.output) bench.say(`the server said last:\n${bench.server.output}`);
    throw error;
  } finally {
    window[1] = profileClock();
    await bench.close();
  }
  if (json) console.log(JSON.stringify({ machine, quick: bench.options.quick, results, problems: bench.problems }, null, 2));
  else console.log(describe(machine, bench, started));
  if (profileDir) (json ? console.error : console.log)(`\n${describeProfiles(profileDir, window)}`);
  if (bench.problems.length > 0) process.exitCode = 1;
}

function closeOnSignal(bench) {
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
    process.on(signal, () => {
      if (bench.closing) return;
      bench.say(`${signal}: stopping everything`);
      bench.close().finally(() => process.exit(code));
    });
  }
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

function describeMachine() {
  return { cores: cpus().length, cpu: cpus()[0]?.model.trim(), memoryGiB: Math.round(totalmem() / 2 ** 30), platform: `${process.platform} ${process.arch}`, node: process.version, postgres: '', commit: commit(), loadBefore: loadavg()[0] };
}

function describe(machine, bench, started) {
  const lines = [
    `${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, ${machine.platform}; Node ${machine.node}, PostgreSQL ${machine.postgres}; commit ${machine.commit}.`,
    `Load average before the run ${machine.loadBefore.toFixed(2)}. Server, database, generator, receiver and floors share these cores.`,
    ...(machine.loadBefore > machine.cores / 2 ? ['**The machine was busy with something else: trust ratios and CPU per event, not rates or latencies.**'] : []),
    `${bench.rounds === 1 ? 'One short round (--quick)' : `Medians of ${bench.rounds} rounds`}, ${Math.round((Date.now() - started) / 1000)} s in all. Event data ${DATA_BYTES} bytes.`,
    ...(bench.problems.length === 0 ? ['Nothing was lost or refused.'] : bench.problems.map((problem) => `**WRONG:** ${problem}`)),
  ];
  return lines.join('\n');
}

await main().catch((error) => {
  process.stderr.write(`bench: ${error.stack}\n`);
  process.exitCode = 1;
});
