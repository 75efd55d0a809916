/**
 * Delivering: a backlog published in batches of 1,000, to one webhook and, as many deliveries in all, to ten. The floor posts
 * as many signed bodies to the same receiver with nothing around it.
 *
 * The rate counts from the first publish to the last receipt; the drain rate from the first receipt.
 */
import { DATA_BYTES } from '../bench.mjs';
import { Helper } from '../helper.mjs';
import { median, show } from '../stats.mjs';

const IN_FLIGHT = 64;
const STALL_MS = 20_000;

export async function delivery(bench) {
  const count = bench.options.quick ? 10_000 : 20_000;
  const floor = new Helper('floor-delivery.mjs');
  const rounds = [];
  try {
    bench.say('delivery: warming up');
    await postFloor(bench, floor, 2_000);
    await deliver(bench, 2_000, alike(1));
    for (let round = 1; round <= bench.rounds; round++) {
      bench.say(`delivery: round ${round}, floor`);
      const bare = await postFloor(bench, floor, count);
      bench.say(`delivery: round ${round}, ${count} to one webhook`);
      const one = await deliver(bench, count, alike(1));
      bench.say(`delivery: round ${round}, ${count / 10} to each of ten webhooks`);
      const ten = await deliver(bench, count / 10, alike(10));
      rounds.push({ bare, one, ten });
    }
  } finally {
    await floor.stop();
  }
  return { rounds, rows: rowsOf(rounds) };
}

/** Deliveries per second to one webhook, for scenarios that need a load in proportion. */
export async function probeDeliveryRate(bench) {
  await deliver(bench, 3_000, alike(1));
  return (await deliver(bench, bench.options.quick ? 6_000 : 10_000, alike(1))).rate;
}

async function postFloor(bench, floor, count) {
  const [port] = await bench.receiver.call('listen', 1);
  await bench.receiver.call('reset');
  const { cost } = await bench.metered(() => floor.call('post', { port, path: '/floor/1', count, bytes: DATA_BYTES, inFlight: IN_FLIGHT }), floor.pid);
  const { distinct, firstAt, lastAt } = await bench.receiver.call('report');
  bench.expect(distinct === count, `the floor posted ${count} and the receiver saw ${distinct}`);
  return { rate: (1000 * count) / (lastAt - firstAt), count, cost };
}

/** Settings of so many webhooks, for {@link deliver}. */
export const alike = (count, settings = {}) => Array.from({ length: count }, () => settings);

/** Publishes `events` events that each of these webhooks is to get, and sees them arrive. `body`: how they differ from the usual. */
export async function deliver(bench, events, webhooks, body = {}) {
  const eventType = bench.freshType('delivery');
  const total = events * webhooks.length;
  const ids = await bench.makeWebhooks(webhooks.map((settings, n) => ({ path: `/all/${n}`, events: [eventType], ...settings })));
  await bench.receiver.call('reset');
  const measured = await bench.metered(async () => {
    const startedAt = performance.timeOrigin + performance.now();
    await bench.publishBacklog(eventType, events, body);
    const publishSeconds = (performance.timeOrigin + performance.now() - startedAt) / 1000;
    const distinct = await bench.receiver.call('wait', total, STALL_MS);
    const { doubles, firstAt, lastAt } = await bench.receiver.call('report');
    return { rate: (1000 * distinct) / (lastAt - startedAt), drainRate: (1000 * distinct) / (lastAt - firstAt), publishSeconds, receivedSeconds: (lastAt - startedAt) / 1000, distinct, doubles, total };
  });
  const counts = await bench.settled(ids);
  bench.expect(measured.distinct === total, `${total} deliveries were due and ${measured.distinct} arrived`);
  bench.expect(counts.succeeded === total, `${total} deliveries arrived and the database says ${JSON.stringify(counts)}`);
  await bench.dropWebhooks(ids);
  return measured;
}

function rowsOf(rounds) {
  const of = (pick) => median(rounds.map(pick));
  const floor = of((r) => r.bare.rate);
  const costs = (kind) => [
    { name: '· from the first receipt', server: show(of((r) => r[kind].drainRate)) },
    { name: '· CPU of the process, µs per delivery', server: show(of((r) => (1000 * r[kind].cost.server) / r[kind].total)), floor: kind === 'one' ? show(of((r) => (1000 * r.bare.cost.server) / r.bare.count)) : '' },
    { name: '· CPU of Postgres, µs per delivery', server: show(of((r) => (1000 * r[kind].cost.postgres) / r[kind].total)) },
    { name: '· commits per 1,000 deliveries', server: show(of((r) => (1000 * r[kind].cost.commits) / r[kind].total)) },
    { name: '· write-ahead log, bytes per delivery', server: show(of((r) => r[kind].cost.walBytes / r[kind].total)) },
  ];
  const rate = (name, kind) => {
    const value = of((r) => r[kind].rate);
    return { name, server: show(value), floor: show(floor), ratio: value / floor, aim: '≥ 2,000/s', met: value >= 2000 };
  };
  return [
    rate('to one webhook, deliveries/s', 'one'),
    ...costs('one'),
    rate('to ten webhooks, deliveries/s', 'ten'),
    ...costs('ten'),
    { name: 'doubles received', server: String(rounds.reduce((sum, r) => sum + r.one.doubles + r.ten.doubles, 0)) },
  ];
}
