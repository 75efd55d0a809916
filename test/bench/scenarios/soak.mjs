/**
 * Endurance: five minutes of publishes and inbound requests in equal parts, at the rate that is sustained. Watched is the memory of
 * the process. What it grows by is the slope of a line through the second half, by least squares: the first fills caches and heap.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DATA_BYTES } from '../bench.mjs';
import { findSustained } from '../loops.mjs';
import { holdingsOf } from '../proc.mjs';
import { show, slopeOf } from '../stats.mjs';
import { MIXED } from '../traffic.mjs';

const EVERY_MS = 2_000;
const MIB = 2 ** 20;
const AIM = 0.05;

export async function soak(bench) {
  const { sourceIds, ...sources } = await bench.makeSources();
  const eventType = bench.freshType('soak');
  const load = { port: bench.server.port, key: bench.server.key, mix: MIXED, body: { eventTypes: [eventType], bytes: DATA_BYTES, perRequest: 1 }, inbound: { ...sources, bytes: DATA_BYTES } };
  let due = 0;
  const drive = async (how) => {
    const result = await bench.drive({ ...load, ...how });
    due += result.accepted - result.repeats;
    return result;
  };
  bench.say('soak: finding the sustained rate');
  const { sustained } = await findSustained(bench, 'soak', drive);

  const seconds = bench.seconds(300, 40);
  bench.say(`soak: ${seconds} s at ${show(sustained.rate)}/s`);
  const before = await look(bench);
  const [result, samples] = await watched(bench, drive({ mode: 'open', rate: sustained.rate, seconds, connections: 256 }));
  const after = await look(bench);
  const stored = (await bench.server.countEvents(eventType)) + (await bench.server.countReceived(sourceIds));
  bench.expect(stored === due, `${due} different requests were acknowledged and ${stored} are stored`);
  return { before, after, samples, result, serverTitle: `${seconds} s`, rows: rowsOf(before, after, samples, result) };
}

/** What a load answers, and what the process held while it ran. */
async function watched(bench, running) {
  const samples = [];
  const started = performance.now();
  const ended = new AbortController();
  const watching = (async () => {
    for (let n = 1; !ended.signal.aborted; n++) {
      const { nodejs_heap_size_used_bytes: heap } = await bench.server.metrics(['nodejs_heap_size_used_bytes']);
      samples.push({ at: (performance.now() - started) / 60_000, rss: holdingsOf(bench.server.child.pid).rss / MIB, heap: heap / MIB });
      await sleep(Math.max(0, n * EVERY_MS - (performance.now() - started)), undefined, ended).catch(() => {});
    }
  })();
  const result = await running.finally(() => ended.abort());
  await watching;
  return [result, samples];
}

async function look(bench) {
  return { ...holdingsOf(bench.server.child.pid), connections: await bench.server.countConnections() };
}

const signed = (value, unit) => `${value < 0 ? '−' : '+'}${show(Math.abs(value), unit)}`;

function rowsOf(before, after, samples, result) {
  const half = samples.slice(samples.length >> 1);
  const minutes = half.at(-1).at - half[0].at;
  const growth = (name) => slopeOf(half.map(({ at, [name]: value }) => [at, value]));
  const mean = half.reduce((sum, { rss }) => sum + rss, 0) / half.length;
  const relative = (growth('rss') * minutes) / mean;
  const most = Math.max(...samples.map(({ rss }) => rss));
  return [
    { name: 'requests/s, offered and answered', server: `${show(result.offered)}, ${show(result.rate)}` },
    { name: '· p50 and p99 ms', server: `${show(result.latency.p50)}, ${show(result.latency.p99)}` },
    { name: 'RSS at the start, half way, at the end, at most, MiB', server: [samples[0].rss, half[0].rss, samples.at(-1).rss, most].map((value) => show(value)).join(', ') },
    { name: '· second half: growth by the minute, MiB', server: signed(growth('rss')) },
    { name: '· second half: growth of all', server: signed(100 * relative, '%'), aim: `< ${100 * AIM} %`, met: relative < AIM },
    { name: '· heap used, second half: growth by the minute, MiB', server: signed(growth('heap')) },
    { name: 'open files and sockets, before and after', server: `${before.files}, ${after.files}` },
    { name: 'connections to Postgres, before and after', server: `${before.connections}, ${after.connections}` },
  ];
}
