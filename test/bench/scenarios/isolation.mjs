/**
 * Isolation: what 20 receivers that never answer cost the 40 that do. Sixty webhooks, each with an event type and an origin
 * of its own, under a steady open loop; measured is publish to receipt of the healthy forty, first with all healthy, then
 * with twenty silent, for long enough that attempts to them pile up to the server's limits and time out.
 */
import { DATA_BYTES } from '../bench.mjs';
import { median, show } from '../stats.mjs';

const WEBHOOKS = 60;
const SILENT = 20;
const RATE = 300;
const STALL_MS = 20_000;

export async function isolation(bench) {
  const rounds = [];
  for (let round = 1; round <= bench.rounds; round++) {
    bench.say(`isolation: round ${round}, all healthy`);
    const healthy = await measure(bench, bench.seconds(20, 10), false);
    bench.say(`isolation: round ${round}, ${SILENT} of ${WEBHOOKS} silent`);
    // The server gives up on an attempt after 15 s; the second half of this is past the first timeouts.
    const silent = await measure(bench, bench.seconds(32, 22), true);
    rounds.push({ healthy, silent });
  }
  const of = (pick) => median(rounds.map(pick));
  const ratio = of((r) => r.silent.receipt.p99 / r.healthy.receipt.p99);
  const row = (name, pick, extra) => ({ name, server: show(of((r) => pick(r.silent))), floor: show(of((r) => pick(r.healthy))), ...extra });
  return {
    rounds,
    floorTitle: 'all 60 healthy',
    serverTitle: '20 silent',
    rows: [
      row('healthy 40, publish to receipt, p50 ms', (r) => r.receipt.p50, { ratio: of((r) => r.silent.receipt.p50 / r.healthy.receipt.p50) }),
      row('· p99 ms', (r) => r.receipt.p99, { ratio, aim: '≤ 2', met: ratio <= 2 }),
      row('· max ms', (r) => r.receipt.max),
      { name: '· p99 of each 2 s, last round', server: rounds.at(-1).silent.receipt.slices.join(' '), floor: rounds.at(-1).healthy.receipt.slices.join(' ') },
      row('publish to 202, p99 ms', (r) => r.publish.p99),
    ],
  };
}

const groupOf = (n) => (n < SILENT ? 'maybe-silent' : 'healthy');

async function measure(bench, seconds, withSilent) {
  const base = bench.freshType('isolation');
  const eventTypes = Array.from({ length: WEBHOOKS }, (_, n) => `${base}.n${n}`);
  // Without retries a silent receiver's deliveries end as dead letters and the round can be counted out.
  const ids = await bench.makeWebhooks(eventTypes.map((type, n) => ({ path: `/${groupOf(n)}/${n}`, events: [type], retry_policy: { max_retries: 0 } })));
  await bench.receiver.call('reset');
  const load = { port: bench.server.port, key: bench.server.key, mode: 'open', rate: RATE, connections: 64, body: { eventTypes, bytes: DATA_BYTES, perRequest: 1, variants: WEBHOOKS } };
  // The first events open connections everywhere; that is not what is compared.
  const warm = await bench.generator.call('run', { ...load, seconds: 2 });
  await bench.receiver.call('wait', warm.accepted, STALL_MS);
  await bench.receiver.call('reset');
  if (withSilent) await bench.receiver.call('silence', 'maybe-silent');
  const result = await bench.generator.call('run', { ...load, seconds });
  for (const [reason, count] of Object.entries(result.failures)) bench.expect(false, `${count} publishes failed: ${reason}`);

  const healthyDue = countHealthy(result.accepted);
  await bench.receiver.call('wait', withSilent ? healthyDue : result.accepted, STALL_MS);
  const { distinct, groups } = await bench.receiver.call('report');
  bench.expect(groups.healthy.count === healthyDue, `${healthyDue} deliveries to healthy webhooks were due and ${groups.healthy.count} arrived`);
  if (!withSilent) bench.expect(distinct === result.accepted, `${result.accepted} deliveries were due and ${distinct} arrived`);

  await bench.receiver.call('release');
  const counts = await bench.settled(ids);
  const ended = Object.values(counts).reduce((sum, count) => sum + count, 0) - (counts.pending ?? 0) - (counts.retrying ?? 0);
  bench.expect(ended === warm.accepted + result.accepted, `${warm.accepted + result.accepted} deliveries should have ended and the database says ${JSON.stringify(counts)}`);
  await bench.dropWebhooks(ids);
  await bench.server.quiet();
  return { receipt: groups.healthy, publish: result.latency, counts, generator: result.generator };
}

/** Of `count` events dealt to the webhooks in turn, those for the healthy ones. */
function countHealthy(count) {
  return Math.floor(count / WEBHOOKS) * (WEBHOOKS - SILENT) + Math.max(0, (count % WEBHOOKS) - SILENT);
}
