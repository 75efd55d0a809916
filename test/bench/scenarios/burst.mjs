/**
 * Tenants: what one tenant's burst costs another. The quiet one publishes a little to its webhook, steadily; measured is its
 * publish to receipt, first alone, then from the moment that the other begins to publish batches of 1,000 as fast as it can,
 * until the server has delivered the last of those to the one webhook they are for.
 *
 * `--million` makes the burst as large as its name.
 */
import { DATA_BYTES } from '../bench.mjs';
import { Helper } from '../helper.mjs';
import { median, p99BySlice, show, summarise } from '../stats.mjs';

const RATE = 50;
const BATCH = 1_000;
const BULK_CONNECTIONS = 4;
const SLICE_MS = 2_000;
const STALL_MS = 30_000;

export async function burst(bench) {
  const size = bench.options.million ? 1_000_000 : bench.options.quick ? 40_000 : 200_000;
  const { admin_key: bulkKey } = await bench.server.call('POST', '/v1/tenants', { name: `bench ${bench.freshType('burst')}` });
  const bulkGenerator = new Helper('generator.mjs');
  const rounds = [];
  try {
    for (let round = 1; round <= (bench.options.million ? 1 : bench.rounds); round++) {
      bench.say(`burst: round ${round}, the quiet tenant alone, then with ${size} events of another`);
      rounds.push(await measure(bench, size, bulkKey, bulkGenerator));
    }
  } finally {
    await bulkGenerator.stop();
  }
  return { rounds, floorTitle: 'alone', serverTitle: `while another bursts (${size.toLocaleString('en-US')})`, rows: rowsOf(rounds) };
}

async function measure(bench, size, bulkKey, bulkGenerator) {
  const eventType = bench.freshType('burst');
  const [quietId, bulkId] = await bench.makeWebhooks([{ path: '/quiet/0', events: [eventType] }, { path: '/bulk/0', events: [eventType], key: bulkKey }]);
  await bench.receiver.call('reset');
  const publishing = { port: bench.server.port, body: { eventTypes: [eventType], bytes: DATA_BYTES, perRequest: 1 } };
  const quiet = { ...publishing, key: bench.server.key, mode: 'open', rate: RATE, connections: 16, samples: true };
  const bulk = { ...publishing, key: bulkKey, mode: 'closed', requests: size / BATCH, connections: BULK_CONNECTIONS, body: { ...publishing.body, perRequest: BATCH } };

  // The first events open connections; that is not what is compared.
  const warm = await bench.generator.call('run', { ...quiet, seconds: 2 });
  await bench.receiver.call('wait', warm.accepted, STALL_MS, 'quiet');
  const alone = await bench.generator.call('run', { ...quiet, seconds: bench.seconds(20, 10) });
  await bench.receiver.call('wait', warm.accepted + alone.accepted, STALL_MS, 'quiet');

  const running = bench.generator.call('run', quiet);
  const begun = epochMs();
  const published = await bulkGenerator.call('run', bulk);
  const acknowledged = epochMs();
  const bulkReceived = await bench.receiver.call('wait', size, STALL_MS, 'bulk');
  const drained = epochMs();
  await bench.generator.call('end');
  const beside = await running;
  const due = warm.accepted + alone.accepted + beside.accepted;
  await bench.receiver.call('wait', due, STALL_MS, 'quiet');
  const receipts = await bench.receiver.call('samples', 'quiet');

  for (const { failures, unsent } of [warm, alone, published, beside]) {
    for (const [reason, count] of Object.entries(failures)) bench.expect(false, `${count} publishes failed: ${reason}`);
    bench.expect(unsent === 0, `${unsent} publishes were not sent in time`);
  }
  bench.expect(bulkReceived === size, `${size} deliveries of the burst were due and ${bulkReceived} arrived`);
  bench.expect(receipts.length === due, `${due} deliveries of the quiet tenant were due and ${receipts.length} arrived`);
  const counts = await bench.settled([quietId, bulkId]);
  bench.expect(counts.succeeded === due + size, `${due + size} deliveries arrived and the database says ${JSON.stringify(counts)}`);
  const stages = await bench.server.stages(quietId);
  await bench.dropWebhooks([quietId]);
  await bench.dropWebhooks([bulkId], bulkKey);
  await bench.server.quiet();

  const aloneBegun = Math.min(...alone.samples.map(({ at }) => at));
  const phase = (from, to) => ({ receipt: within(receipts, from, to), publish: within([...alone.samples, ...beside.samples], from, to), stages: stagesWithin(stages, from, to) });
  return {
    alone: phase(aloneBegun, begun), beside: phase(begun, drained), publishing: phase(begun, acknowledged), draining: phase(acknowledged, drained),
    publishRate: published.rate, publishSeconds: (acknowledged - begun) / 1000, drainSeconds: (drained - begun) / 1000, rate: (1000 * size) / (drained - begun),
  };
}

const epochMs = () => performance.timeOrigin + performance.now();

/** What was scheduled between two times. */
function within(samples, from, to) {
  const some = samples.filter(({ at }) => at >= from && at < to);
  return { ...summarise(some.map(({ latency }) => latency)), slices: some.length > 0 ? p99BySlice(some, SLICE_MS) : [] };
}

/** The p99 of each part of the way. */
function stagesWithin(stages, from, to) {
  const some = stages.filter(({ at }) => at >= from && at < to);
  return Object.fromEntries(['recording', 'fanOut', 'claiming'].map((name) => [name, summarise(some.map((stage) => stage[name])).p99]));
}

const p99 = ({ receipt }) => receipt.p99;

function rowsOf(rounds) {
  const of = (pick) => median(rounds.map(pick));
  const ratio = (pick) => of((r) => pick(r.beside) / pick(r.alone));
  const pair = (name, pick, extra) => ({ name, server: show(of((r) => pick(r.beside))), floor: show(of((r) => pick(r.alone))), ratio: ratio(pick), ...extra });
  const phase = (name, kind, pick) => ({ name, server: show(of((r) => pick(r[kind]))), ratio: of((r) => pick(r[kind]) / pick(r.alone)) });
  const slices = (name, kind) => ({ name, server: rounds.at(-1)[kind].receipt.slices.join(' ') || '–', ...(kind === 'publishing' && { floor: rounds.at(-1).alone.receipt.slices.join(' ') }) });
  const stage = (name, part) => ({ name: `${name}: publishing, draining`, server: `${show(of((r) => r.publishing.stages[part]))}, ${show(of((r) => r.draining.stages[part]))}`, floor: show(of((r) => r.alone.stages[part])) });
  return [
    pair('quiet tenant, publish to receipt, p50 ms', ({ receipt }) => receipt.p50),
    pair('· p99 ms', p99, { aim: '≤ 2', met: ratio(p99) <= 2 }),
    phase('· p99 ms while the other publishes', 'publishing', p99),
    phase('· p99 ms while the rest is delivered', 'draining', p99),
    pair('· max ms', ({ receipt }) => receipt.max),
    slices('· p99 of each 2 s while the other publishes, last round', 'publishing'),
    slices('· p99 of each 2 s while the rest is delivered', 'draining'),
    stage('· p99 ms until recorded', 'recording'),
    stage('· p99 ms from there until fanned out', 'fanOut'),
    stage('· p99 ms from there until sent', 'claiming'),
    pair('publish to 202, p50 ms', ({ publish }) => publish.p50),
    pair('· p99 ms', ({ publish }) => publish.p99),
    phase('· p99 ms while the other publishes', 'publishing', ({ publish }) => publish.p99),
    { name: 'the burst: published, events/s', server: show(of((r) => r.publishRate)) },
    { name: '· delivered, deliveries/s', server: show(of((r) => r.rate)) },
    { name: '· s until published, and until delivered', server: `${show(of((r) => r.publishSeconds))}, ${show(of((r) => r.drainSeconds))}` },
  ];
}
