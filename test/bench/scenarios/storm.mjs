/**
 * Recovery: every receiver answers 500 for ten minutes, by a clock that the bench moves, while events keep coming in; then all
 * are up again at once, and time is real. Measured is how the backlog comes out: a herd would knock them over again. Send rates
 * are per second, over all webhooks, from the recovery to the last receipt.
 *
 * For comparison: the attempts that the retries alone would have made during the outage, by the default policy.
 */
import { DATA_BYTES } from '../bench.mjs';
import { makeBodies } from '../payload.mjs';
import { median, show } from '../stats.mjs';

const WEBHOOKS = 40;
const OUTAGE_S = 600;
const STEP_S = 5;
const REAL_STEPS = 2;
/** Events per second and webhook. */
const RATE = 0.5;
/** Longer than the longest wait for a probe. */
const STALL_MS = 90_000;
/** The default policy: nominal waits in seconds, each by full jitter. */
const RETRY_WAITS = [5, 30, 180];
const AIM = 3;

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
const epochMs = () => performance.timeOrigin + performance.now();

export async function storm(bench) {
  bench.say('storm: starting a server whose clock can be moved');
  await bench.serve({ entry: 'test/bench/clocked-server.mjs' });
  const rounds = [];
  for (let round = 1; round <= bench.rounds; round++) {
    bench.say(`storm: round ${round}, ${WEBHOOKS} receivers are down for ${OUTAGE_S / 60} minutes`);
    rounds.push(await measure(bench));
  }
  return { rounds, rows: rowsOf(rounds) };
}

async function measure(bench) {
  const base = bench.freshType('storm');
  const groups = Array.from({ length: WEBHOOKS }, (_, n) => `n${n}`);
  const ids = await bench.makeWebhooks(groups.map((group) => ({ path: `/${group}/0`, events: [`${base}.${group}`] })));
  await bench.receiver.call('reset');
  for (const group of groups) await bench.receiver.call('refuse', group);
  const published = await outage(bench, groups.map((group) => `${base}.${group}`));
  const { refused } = await bench.receiver.call('report');

  bench.say(`storm: all are up again, ${published} events wait`);
  const recoveredAt = epochMs();
  await bench.receiver.call('release');
  const distinct = await bench.receiver.call('wait', published, STALL_MS);
  const { lastAt, doubles } = await bench.receiver.call('report');
  const counts = await bench.settled(ids);
  bench.expect(distinct === published, `${published} deliveries were due after the outage and ${distinct} arrived`);
  bench.expect(counts.succeeded === published, `${published} deliveries arrived, none with its retries used up, and the database says ${JSON.stringify(counts)}`);

  const perSecond = Array.from({ length: Math.ceil((lastAt - recoveredAt) / 1000) }, () => 0);
  const firsts = [];
  for (const group of groups) {
    const receipts = (await bench.receiver.call('samples', group)).map(({ at, latency }) => at + latency);
    for (const at of receipts) perSecond[Math.min(perSecond.length - 1, Math.max(0, Math.floor((at - recoveredAt) / 1000)))]++;
    firsts.push((Math.min(...receipts) - recoveredAt) / 1000);
  }
  await bench.dropWebhooks(ids);
  const seconds = (lastAt - recoveredAt) / 1000;
  return { published, refused, doubles, byRetriesAlone: attemptsByRetriesAlone(), seconds, perSecond, max: Math.max(...perSecond), mean: published / seconds, firsts: firsts.sort((a, b) => a - b) };
}

/** Ten minutes in steps of the clock, each with the events of its seconds. Answers how many. */
async function outage(bench, eventTypes) {
  const bodies = makeBodies({ eventTypes, bytes: DATA_BYTES, perRequest: 1, variants: eventTypes.length });
  let published = 0;
  let at = epochMs();
  for (let step = 1; step * STEP_S <= OUTAGE_S; step++) {
    const due = Math.floor(step * STEP_S * RATE) * eventTypes.length;
    const events = Array.from({ length: due - published }, (_, index) => bodies.text(index, epochMs()));
    const { data } = await bench.server.call('POST', '/v1/events', `{"events":[${events.join(',')}]}`);
    bench.expect(data.length === events.length && data.every(({ error }) => !error), `a batch of ${events.length} was answered with ${data.length} results, some refused`);
    published = due;
    // What is due by now is sent, answered and recorded, before the next step.
    while ((await bench.server.waitingJobs()) > 0) await sleep(20);
    await sleep(150);
    const rest = Math.max(0, STEP_S * 1000 - (epochMs() - at));
    // A step of the clock makes all probes of these seconds due at once. The last steps are real time, so that they are spread again.
    if ((step + REAL_STEPS) * STEP_S < OUTAGE_S) await bench.server.advance(rest);
    else await sleep(rest);
    at = epochMs();
  }
  return published;
}

/** How many attempts fall into the outage when nothing but each delivery's own schedule spaces them. */
function attemptsByRetriesAlone() {
  let attempts = 0;
  for (let n = 0; n < WEBHOOKS * OUTAGE_S * RATE; n++) {
    let at = Math.floor(n / WEBHOOKS) / RATE;
    for (const wait of [0, ...RETRY_WAITS]) {
      at += Math.random() * wait;
      if (at < OUTAGE_S) attempts++;
    }
  }
  return attempts;
}

function rowsOf(rounds) {
  const of = (pick) => median(rounds.map(pick));
  const last = rounds.at(-1);
  const ratio = of((r) => r.max / r.mean);
  const fives = Array.from({ length: Math.ceil(last.perSecond.length / 5) }, (_, n) => Math.max(...last.perSecond.slice(5 * n, 5 * n + 5)));
  return [
    { name: `attempts during the outage (by retries alone ${show(of((r) => r.byRetriesAlone))})`, server: show(of((r) => r.refused)), ratio: of((r) => r.refused / r.byRetriesAlone) },
    { name: 'events that waited', server: show(of((r) => r.published)) },
    { name: 's until all had arrived', server: show(of((r) => r.seconds)) },
    { name: 'sent per second, mean', server: show(of((r) => r.mean)) },
    { name: '· max', server: show(of((r) => r.max)), ratio, aim: `< ${AIM} × mean`, met: ratio < AIM },
    { name: '· max of each 5 s, last round', server: fives.join(' ') },
    { name: 's until a webhook got its first: median, last', server: `${show(of((r) => r.firsts[r.firsts.length >> 1]))}, ${show(of((r) => r.firsts.at(-1)))}` },
    { name: 'doubles received', server: String(rounds.reduce((sum, r) => sum + r.doubles, 0)) },
  ];
}
