/**
 * Latency from publish to receipt: single events on a fixed schedule, each carrying its scheduled time, to one webhook. Once
 * at half of the delivery rate, once at a trickle, where only the path itself is left.
 */
import { DATA_BYTES } from '../bench.mjs';
import { median, show } from '../stats.mjs';
import { probeDeliveryRate } from './delivery.mjs';

const TRICKLE = 50;
const STALL_MS = 20_000;

export async function latency(bench, results) {
  bench.say('latency: finding the delivery rate');
  const full = results.delivery ? median(results.delivery.rounds.map(({ one }) => one.rate)) : await probeDeliveryRate(bench);
  const rounds = [];
  for (let round = 1; round <= bench.rounds; round++) {
    bench.say(`latency: round ${round}`);
    rounds.push({ trickle: await measure(bench, TRICKLE), half: await measure(bench, full / 2) });
  }
  const row = (name, kind) => {
    const of = (pick) => median(rounds.map((round) => pick(round[kind])));
    const p50 = of((r) => r.receipt.p50);
    return [
      { name: `${name}: publish to receipt, p50 ms`, server: show(p50), aim: '< 50 ms', met: p50 < 50 },
      { name: '· p99 ms', server: show(of((r) => r.receipt.p99)) },
      { name: '· publish to 202, p50 ms', server: show(of((r) => r.publish.p50)) },
      { name: '· p99 ms', server: show(of((r) => r.publish.p99)) },
      { name: '· CPU of the process, µs per event', server: show(of((r) => (1000 * r.cost.server) / r.accepted)) },
      { name: '· jobs left when the load ended', server: show(of((r) => r.jobsLeft)) },
      { name: '· generator event loop busy', server: show(of((r) => r.generator.utilization)) },
    ];
  };
  return { rounds, full, rows: [...row(`${show(full / 2)} events/s (half of the delivery rate)`, 'half'), ...row(`${TRICKLE} events/s`, 'trickle')] };
}

async function measure(bench, rate) {
  const eventType = bench.freshType('latency');
  const ids = await bench.makeWebhooks([{ path: '/all/0', events: [eventType] }]);
  await bench.receiver.call('reset');
  const load = { port: bench.server.port, key: bench.server.key, mode: 'open', rate, connections: 256, body: { eventTypes: [eventType], bytes: DATA_BYTES, perRequest: 1 } };
  const result = await bench.drive({ ...load, seconds: bench.seconds(12, 6) });
  const distinct = await bench.receiver.call('wait', result.accepted, STALL_MS);
  const { groups } = await bench.receiver.call('report');
  bench.expect(distinct === result.accepted, `${result.accepted} events were acknowledged and ${distinct} arrived`);
  await bench.settled(ids);
  await bench.dropWebhooks(ids);
  return { receipt: groups.all, publish: result.latency, cost: result.cost, accepted: result.accepted, jobsLeft: result.jobsLeft, generator: result.generator, offered: rate };
}
