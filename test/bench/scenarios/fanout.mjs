/**
 * Fanning out: as many deliveries in all, of one event each to 1, to 10 and to 100 webhooks. The rate counts from the first
 * publish to the last receipt.
 */
import { median, show } from '../stats.mjs';
import { alike, deliver } from './delivery.mjs';

const WIDTHS = [1, 10, 100];
const AIM = 3_000;

export async function fanout(bench) {
  const count = bench.options.quick ? 10_000 : 30_000;
  bench.say('fanout: warming up');
  await deliver(bench, 20, alike(100));
  const rounds = [];
  for (let round = 1; round <= bench.rounds; round++) {
    const measured = {};
    for (const width of WIDTHS) {
      bench.say(`fanout: round ${round}, ${count / width} events to ${width} webhooks each`);
      measured[width] = await deliver(bench, count / width, alike(width));
    }
    rounds.push(measured);
  }
  return { rounds, rows: WIDTHS.flatMap((width) => rowsOf(rounds.map((round) => round[width]), width)) };
}

function rowsOf(rounds, width) {
  const of = (pick) => median(rounds.map(pick));
  const rate = of((r) => r.rate);
  return [
    { name: `to ${width} each, deliveries/s`, server: show(rate), aim: `≥ ${AIM.toLocaleString('en-US')}/s`, met: rate >= AIM },
    { name: '· from first publish to last receipt, s', server: show(of((r) => r.receivedSeconds)) },
    { name: '· CPU of the process, µs per delivery', server: show(of((r) => (1000 * r.cost.server) / r.total)) },
    { name: '· CPU of Postgres, µs per delivery', server: show(of((r) => (1000 * r.cost.postgres) / r.total)) },
  ];
}
