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
    await deliver(bench, 2_000, 1);
    for (let round = 1; round <= bench.rounds; round++) {
      bench.say(`delivery: round ${round}, floor`);
      const bare = await postFloor(bench, floor, count);
      bench.say(`delivery: round ${round}, ${count} to one webhook`);
      const one = await deliver(bench, count, 1);
      bench.say(`delivery: round ${round}, ${count / 10} to each of ten webhooks`);
      const ten = await deliver(bench, count / 10, 10);
      rounds.push({ bare, one, ten });
    }
  } finally {
    await floor.stop();
  }
  return { rounds, rows: rowsOf(rounds) };
}

/** Deliveries per second to one webhook, for scenarios that need a load in proportion. */
export async function probeDeliveryRate(bench) {
  await deliver(bench, 3_000, 1);
  return (await deliver(bench, bench.options.quick ? 6_000 : 10_000, 1)).rate;
}

async function postFloor(bench, floor, count) {
  const [port] = await bench.receiver.call('listen', 1);
  await bench.receiver.call('reset');
  await bench.server.quiet();
  await floor.call('post', { port, path: '/floor/1', count, bytes: DATA_BYTES, inFlight: IN_FLIGHT });
  const { distinct, firstAt, lastAt } = await bench.receiver.call('report');
  bench.expect(distinct === count, `the floor posted ${count} and the receiver saw ${distinct}`);
  return { rate: (1000 * count) / (lastAt - firstAt) };
}

async function deliver(bench, events, webhooks) {
  const eventType = bench.freshType('delivery');
  const total = events * webhooks;
  const ids = await bench.makeWebhooks(Array.from({ length: webhooks }, (_, n) => ({ path: `/all/${n}`, events: [eventType] })));
  await bench.receiver.call('reset');
  await bench.server.quiet();
  const before = bench.server.cpu();
  const startedAt = performance.timeOrigin + performance.now();
  await bench.publishBacklog(eventType, events);
  const publishedAt = performance.timeOrigin + performance.now();
  const distinct = await bench.receiver.call('wait', total, STALL_MS);
  const { doubles, firstAt, lastAt } = await bench.receiver.call('report');
  const counts = await bench.settled(ids);
  const after = bench.server.cpu();
  bench.expect(distinct === total, `${total} deliveries were due and ${distinct} arrived`);
  bench.expect(counts.succeeded === total, `${total} deliveries arrived and the database says ${JSON.stringify(counts)}`);
  await bench.dropWebhooks(ids);
  return {
    rate: (1000 * distinct) / (lastAt - startedAt),
    drainRate: (1000 * distinct) / (lastAt - firstAt),
    publishSeconds: (publishedAt - startedAt) / 1000,
    doubles,
    cpu: { server: after.server - before.server, postgres: after.postgres - before.postgres },
    total,
  };
}

function rowsOf(rounds) {
  const of = (pick) => median(rounds.map(pick));
  const floor = of((r) => r.bare.rate);
  const perDelivery = (kind, who) => show(of((r) => (1000 * r[kind].cpu[who]) / r[kind].total));
  const rate = (name, kind) => {
    const value = of((r) => r[kind].rate);
    return { name, server: show(value), floor: show(floor), ratio: value / floor, aim: '≥ 2,000/s', met: value >= 2000 };
  };
  return [
    rate('to one webhook, deliveries/s', 'one'),
    { name: '· from the first receipt', server: show(of((r) => r.one.drainRate)) },
    { name: '· CPU per delivery: server process µs', server: perDelivery('one', 'server') },
    { name: '· Postgres µs', server: perDelivery('one', 'postgres') },
    rate('to ten webhooks, deliveries/s', 'ten'),
    { name: '· from the first receipt', server: show(of((r) => r.ten.drainRate)) },
    { name: '· CPU per delivery: server process µs', server: perDelivery('ten', 'server') },
    { name: '· Postgres µs', server: perDelivery('ten', 'postgres') },
    { name: 'doubles received', server: String(rounds.reduce((sum, r) => sum + r.one.doubles + r.ten.doubles, 0)) },
  ];
}
