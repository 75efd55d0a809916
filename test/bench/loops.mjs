/**
 * How fast something is acknowledged, beside its floor. Per round and side: a closed loop finds the capacity; an open loop just
 * below it confirms that it is sustained, and says what latency it costs; another at half of it says what everyday latency is.
 * Server and floor take turns within a round.
 */
import { median, show } from './stats.mjs';

const CLOSED_CONNECTIONS = 128;
const OPEN_CONNECTIONS = 256;
/** Shares of the closed-loop rate that are tried until one is sustained. */
const SHARES = [0.9, 0.8, 0.65, 0.5];

/** The rounds. `drive(side, load)` puts a load on `server` or `floor`; `more(drive)` measures what else there is. */
export async function measureLoops(bench, name, drive, more = async () => ({})) {
  bench.say(`${name}: warming up`);
  for (const side of ['floor', 'server']) await drive(side, { mode: 'closed', seconds: bench.seconds(3, 2), connections: CLOSED_CONNECTIONS });
  const rounds = { server: [], floor: [] };
  for (let round = 1; round <= bench.rounds; round++) {
    // Who goes first changes, so that neither always has the fuller tables.
    for (const side of round % 2 ? ['floor', 'server'] : ['server', 'floor']) {
      bench.say(`${name}: round ${round}, ${side}`);
      const found = await findSustained(bench, name, (load) => drive(side, load));
      const half = await drive(side, { mode: 'open', rate: found.sustained.rate / 2, seconds: bench.seconds(8, 4), connections: OPEN_CONNECTIONS });
      rounds[side].push({ ...found, half, ...(await more((load) => drive(side, load))) });
    }
  }
  return rounds;
}

/** The capacity, and the rate just below it that is kept up. */
export async function findSustained(bench, name, drive) {
  const closed = await drive({ mode: 'closed', seconds: bench.seconds(6, 4), connections: CLOSED_CONNECTIONS });
  let result;
  for (const share of SHARES) {
    result = await drive({ mode: 'open', rate: closed.rate * share, seconds: bench.seconds(8, 4), connections: OPEN_CONNECTIONS });
    // It kept up when the answers ended as the schedule did.
    if (result.unsent === 0 && result.rate >= 0.97 * result.offered) return { closed, sustained: { ...result, share } };
    bench.say(`${name}: ${show(result.offered)}/s (${share * 100} % of the closed loop) was not sustained: ${show(result.rate)}/s`);
  }
  return { closed, sustained: { ...result, share: Number.NaN } };
}

/** Rows of both sides. */
export function comparison(rounds) {
  const of = (side, pick) => median(rounds[side].map(pick));
  return {
    of,
    compare: (name, pick, extra) => ({ name, server: show(of('server', pick)), floor: show(of('floor', pick)), ...extra }),
    ratio: (pick) => of('server', pick) / of('floor', pick),
  };
}

/** The rows about rates and latencies. `aims`: the rate per second, and its share of the floor's. */
export function rateRows(rounds, unit, aims) {
  const { of, compare, ratio } = comparison(rounds);
  const rate = (name, pick, perSecond) => compare(`${name}, ${unit}s/s`, pick, {
    ratio: ratio(pick), aim: `${perSecond ? `≥ ${perSecond.toLocaleString('en-US')}/s, ` : ''}≥ ${aims.share} of the floor`, met: of('server', pick) >= (perSecond ?? 0) && ratio(pick) >= aims.share,
  });
  const p99 = (pick) => compare('· p99 ms', pick, { aim: '< 100 ms', met: of('server', pick) < 100 });
  return [
    rate('closed loop, 128 connections', (r) => r.closed.rate),
    rate('sustained open loop', (r) => r.sustained.rate, aims.perSecond),
    compare('· share of the closed loop', (r) => r.sustained.share),
    compare('· p50 ms', (r) => r.sustained.latency.p50),
    p99((r) => r.sustained.latency.p99),
    compare('half of that, p50 ms', (r) => r.half.latency.p50),
    p99((r) => r.half.latency.p99),
  ];
}

/** Looks at what the closed loop cost, and at its result. */
const closed = (pick) => (round) => pick(round.closed.cost, round.closed);

/** The rows about that. */
export function costRows(rounds, unit) {
  const { of, compare } = comparison(rounds);
  return [
    compare(`closed loop: CPU of the process, µs per ${unit}`, closed((cost, { accepted }) => (1000 * cost.server) / accepted)),
    compare(`· CPU of Postgres, µs per ${unit}`, closed((cost, { accepted }) => (1000 * cost.postgres) / accepted)),
    compare(`· CPU of the generator, µs per ${unit}`, (r) => (1000 * r.closed.generator.cpuMs) / r.closed.accepted),
    compare(`· commits per 1,000 ${unit}s`, closed((cost, { accepted }) => (1000 * cost.commits) / accepted)),
    compare(`· write-ahead log, bytes per ${unit}`, closed((cost, { accepted }) => cost.walBytes / accepted)),
    { name: '· events per append transaction', server: show(of('server', closed((cost) => cost.lakehook_append_batch_events_sum / cost.lakehook_append_batch_events_count))) },
    { name: '· ms per append transaction', server: show(of('server', closed((cost) => (1000 * cost.lakehook_append_seconds_sum) / cost.lakehook_append_batch_events_count))) },
    { name: '· jobs left when it ended', server: show(of('server', (r) => r.closed.jobsLeft)) },
    compare('generator event loop busy, closed loop', (r) => r.closed.generator.utilization),
    compare('· sustained open loop', (r) => r.sustained.generator.utilization),
    compare('· event loop delay p99 ms, sustained', (r) => r.sustained.generator.loopDelayP99),
  ];
}
