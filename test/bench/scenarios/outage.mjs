/**
 * An outage of Postgres: 500 requests per second, half publishes and half inbound, while it is stopped at once, stays away for a
 * minute, and comes back. They go on until the spool is empty again. Everything that was acknowledged must be in the log once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DATA_BYTES } from '../bench.mjs';
import { show, summarise } from '../stats.mjs';
import { LOG_KEYS, MIXED } from '../traffic.mjs';

const RATE = 500;
const AROUND_MS = 5_000;
const LOOK_MS = 200;
/** How long draining is waited for, times the outage. */
const PATIENCE = 5;
const AIM = 2;

const epochMs = () => performance.timeOrigin + performance.now();

export async function outage(bench) {
  const seconds = bench.seconds(60, 10);
  bench.say('outage: starting a server whose database can be taken away');
  await bench.serve({ lendsDatabase: true });
  const { server } = bench;
  const { sourceIds, ...sources } = await bench.makeSources();
  const eventType = bench.freshType('outage');
  const load = { port: server.port, key: server.key, mix: MIXED, body: { eventTypes: [eventType], bytes: DATA_BYTES, perRequest: 1 }, inbound: { ...sources, bytes: DATA_BYTES } };
  // The first requests open connections and compile; that is not what is looked at.
  await bench.drive({ ...load, mode: 'open', rate: RATE, seconds: 3, connections: 64, body: { ...load.body, eventTypes: [bench.freshType('outage')] } });

  bench.say(`outage: ${RATE} requests/s, and Postgres away for ${seconds} s`);
  const running = bench.generator.call('run', { ...load, mode: 'open', rate: RATE, seconds: 3_600, connections: 256, samples: true, keys: true });
  running.catch(() => {});
  await sleep(AROUND_MS);
  const downAt = epochMs();
  await server.takeDatabase();
  await sleep(1000 * seconds - (epochMs() - downAt));
  const spooledBytes = await spoolBytes(server);
  await server.returnDatabase();
  const backAt = epochMs();
  bench.say('outage: Postgres is back');
  const drainSeconds = await drained(bench, backAt, PATIENCE * seconds);
  await sleep(AROUND_MS);
  await bench.generator.call('end');
  const result = await running;
  await drained(bench, epochMs(), PATIENCE * seconds);

  const refused = Object.values(result.failures).reduce((sum, count) => sum + count, 0);
  for (const [reason, count] of Object.entries(result.failures)) bench.expect(false, `${count} requests failed: ${reason}`);
  bench.expect(result.unsent === 0, `${result.unsent} requests were not sent in time`);
  const log = await compare(server, result.keys, { publish: ['event_type = $2', eventType], github: ['source_id = $2', sourceIds.github], stripe: ['source_id = $2', sourceIds.stripe] });
  bench.expect(log.lost === 0, `${log.lost} of ${result.accepted} acknowledged requests are not in the log`);
  bench.expect(log.doubled === 0, `${log.doubled} requests are in the log more than once`);
  const during = (from, to) => summarise(result.samples.filter(({ at }) => at >= from && at < to).map(({ latency }) => latency));
  const phases = { before: during(0, downAt), away: during(downAt, backAt), draining: during(backAt, backAt + 1000 * drainSeconds) };
  return { seconds, phases, drainSeconds, spooledBytes, log, refused, accepted: result.accepted, serverTitle: `${RATE}/s, ${seconds} s without Postgres`, rows: rowsOf({ phases, refused, accepted: result.accepted, spooledBytes, outageSeconds: (backAt - downAt) / 1000, drainSeconds, log }) };
}

async function spoolBytes(server) {
  return (await server.metrics(['lakehook_spool_bytes'])).lakehook_spool_bytes;
}

/** Seconds from a time until the spool was empty; NaN if it did not become so. */
async function drained({ server }, since, limitSeconds) {
  for (; epochMs() - since < 1000 * limitSeconds; await sleep(LOOK_MS)) if ((await spoolBytes(server)) === 0) return (epochMs() - since) / 1000;
  return Number.NaN;
}

async function compare(server, keys, places) {
  const found = { lost: 0, doubled: 0 };
  for (const [kind, [where, value]] of Object.entries(places)) {
    const { lost, doubled } = await server.compareLog([...new Set(keys[kind])], LOG_KEYS[kind], where, value);
    found.lost += lost;
    found.doubled += doubled;
  }
  return found;
}

const latency = (name, { p50, p99, max }) => ({ name: `${name}: p50, p99, max ms`, server: `${show(p50)}, ${show(p99)}, ${show(max)}` });

function rowsOf({ phases, refused, accepted, spooledBytes, outageSeconds, drainSeconds, log }) {
  return [
    { name: 'answered otherwise than 2xx', server: `${refused} of ${accepted + refused}`, aim: '0', met: refused === 0 },
    latency('before', phases.before),
    latency('while Postgres was away', phases.away),
    latency('while the spool was drained', phases.draining),
    { name: 's without Postgres', server: show(outageSeconds) },
    { name: 'MiB in the spool at the end of that', server: show(spooledBytes / 2 ** 20) },
    { name: 's until the spool was empty', server: show(drainSeconds), ratio: drainSeconds / outageSeconds, aim: `≤ ${AIM} × the outage`, met: drainSeconds <= AIM * outageSeconds },
    { name: 'acknowledged and not in the log', server: String(log.lost), aim: '0', met: log.lost === 0 },
    { name: 'in the log more than once', server: String(log.doubled), aim: '0', met: log.doubled === 0 },
  ];
}
