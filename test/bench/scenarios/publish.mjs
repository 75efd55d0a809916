/**
 * Publishing: acknowledged events per second and latency, singles and batches of 100, with no webhook registered.
 *
 * Per round and side: a closed loop finds the capacity; an open loop just below it confirms that it is sustained, and says
 * what latency it costs; another at half of it says what everyday latency is. Server and floor take turns within a round.
 */
import { DATA_BYTES } from '../bench.mjs';
import { Helper } from '../helper.mjs';
import { median, show } from '../stats.mjs';

const CLOSED_CONNECTIONS = 128;
const OPEN_CONNECTIONS = 256;
const BATCH = 100;
/** Shares of the closed-loop rate that are tried until one is sustained. */
const SHARES = [0.9, 0.8, 0.65, 0.5];

export async function publish(bench) {
  const floorUrl = await bench.server.makeDatabase('floor');
  bench.floor = new Helper('floor-publish.mjs');
  const sides = {
    server: { port: bench.server.port, key: bench.server.key },
    floor: { port: await bench.floor.call('start', floorUrl) },
  };
  const eventType = bench.freshType('publish');
  const body = { eventTypes: [eventType], bytes: DATA_BYTES, perRequest: 1 };
  let accepted = 0;
  const drive = async (side, load) => {
    const result = await bench.drive({ ...sides[side], body, ...load }, side === 'floor' ? bench.floor.pid : undefined);
    if (side === 'server') accepted += result.accepted;
    return result;
  };

  bench.say('publish: warming up');
  for (const side of ['floor', 'server']) await drive(side, { mode: 'closed', seconds: bench.seconds(3, 2), connections: CLOSED_CONNECTIONS });

  const rounds = { server: [], floor: [] };
  for (let round = 1; round <= bench.rounds; round++) {
    // Who goes first changes, so that neither always has the fuller tables.
    for (const side of round % 2 ? ['floor', 'server'] : ['server', 'floor']) {
      bench.say(`publish: round ${round}, ${side}`);
      const closed = await drive(side, { mode: 'closed', seconds: bench.seconds(6, 4), connections: CLOSED_CONNECTIONS });
      const sustained = await findSustained(bench, (rate, seconds) => drive(side, { mode: 'open', rate, seconds, connections: OPEN_CONNECTIONS }), closed.rate);
      const half = await drive(side, { mode: 'open', rate: sustained.rate / 2, seconds: bench.seconds(8, 4), connections: OPEN_CONNECTIONS });
      const batches = await drive(side, { mode: 'closed', seconds: bench.seconds(5, 3), connections: 8, body: { ...body, perRequest: BATCH } });
      rounds[side].push({ closed, sustained, half, batches });
    }
  }
  await bench.floor.stop();

  const stored = await bench.server.countEvents(eventType);
  bench.expect(stored === accepted, `${accepted} events were acknowledged and ${stored} are stored`);
  return { rounds, rows: rowsOf(rounds) };
}

async function findSustained(bench, driveOpen, capacity) {
  let result;
  for (const share of SHARES) {
    result = await driveOpen(capacity * share, bench.seconds(8, 4));
    // It kept up when the answers ended as the schedule did.
    if (result.unsent === 0 && result.rate >= 0.97 * result.offered) return { ...result, share };
    bench.say(`publish: ${show(result.offered)}/s (${share * 100} % of the closed loop) was not sustained: ${show(result.rate)}/s`);
  }
  return { ...result, share: Number.NaN };
}

/** Looks at what the closed loop cost, and at its result. */
const closed = (pick) => (round) => pick(round.closed.cost, round.closed);

function rowsOf(rounds) {
  const of = (side, pick) => median(rounds[side].map(pick));
  const compare = (name, pick, extra) => ({ name, server: show(of('server', pick)), floor: show(of('floor', pick)), ...extra });
  const ratio = (pick) => of('server', pick) / of('floor', pick);
  return [
    compare('closed loop, 128 connections, events/s', (r) => r.closed.rate, { ratio: ratio((r) => r.closed.rate), aim: '≥ 0.5 of the floor', met: ratio((r) => r.closed.rate) >= 0.5 }),
    compare('sustained open loop, events/s', (r) => r.sustained.rate, { ratio: ratio((r) => r.sustained.rate), aim: '≥ 0.5 of the floor', met: ratio((r) => r.sustained.rate) >= 0.5 }),
    compare('· share of the closed loop', (r) => r.sustained.share),
    compare('· p50 ms', (r) => r.sustained.latency.p50),
    compare('· p99 ms', (r) => r.sustained.latency.p99, { aim: '< 100 ms', met: of('server', (r) => r.sustained.latency.p99) < 100 }),
    compare('half of that, p50 ms', (r) => r.half.latency.p50),
    compare('· p99 ms', (r) => r.half.latency.p99, { aim: '< 100 ms', met: of('server', (r) => r.half.latency.p99) < 100 }),
    compare('batches of 100, 8 connections, events/s', (r) => r.batches.rate, { ratio: ratio((r) => r.batches.rate) }),
    compare('closed loop: CPU of the process, µs per event', closed((cost, { accepted }) => (1000 * cost.server) / accepted)),
    compare('· CPU of Postgres, µs per event', closed((cost, { accepted }) => (1000 * cost.postgres) / accepted)),
    compare('· CPU of the generator, µs per event', (r) => (1000 * r.closed.generator.cpuMs) / r.closed.accepted),
    compare('· commits per 1,000 events', closed((cost, { accepted }) => (1000 * cost.commits) / accepted)),
    compare('· write-ahead log, bytes per event', closed((cost, { accepted }) => cost.walBytes / accepted)),
    { name: '· events per append transaction', server: show(of('server', closed((cost) => cost.lakehook_append_batch_events_sum / cost.lakehook_append_batch_events_count))) },
    { name: '· ms per append transaction', server: show(of('server', closed((cost) => (1000 * cost.lakehook_append_seconds_sum) / cost.lakehook_append_batch_events_count))) },
    { name: '· jobs left when it ended', server: show(of('server', (r) => r.closed.jobsLeft)) },
    compare('generator event loop busy, closed loop', (r) => r.closed.generator.utilization),
    compare('· sustained open loop', (r) => r.sustained.generator.utilization),
    compare('· event loop delay p99 ms, sustained', (r) => r.sustained.generator.loopDelayP99),
  ];
}
