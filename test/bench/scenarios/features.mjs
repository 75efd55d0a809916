/**
 * What the features of a webhook cost: the same events to ten webhooks, once as they are, once with each feature. Every event
 * passes every filter, so all variants deliver the same number. They take turns within a round, which begins with another one
 * each time; ratios are to the variant without anything.
 */
import { median, show } from '../stats.mjs';
import { alike, deliver } from './delivery.mjs';

const WEBHOOKS = 10;
/** Every event carries these. */
const METADATA = { region: 'eu-central-1', tier: 'gold', source: 'bench' };

/** Some clauses over data and metadata, one of them an expression; true of every event. */
const FILTER = {
  event_type: { $prefix: 'bench.' },
  data: { sent_at: { $gt: 0 }, order: { $regex: '^[0-9]{1,6}$' }, cancelled_at: { $exists: false } },
  metadata: { region: { $in: ['eu-central-1', 'eu-west-1'] }, tier: { $ne: 'trial' } },
};

const TEMPLATE = '{"text": {{ event_type | json }}, "order": {{ data.order | json }}, "skus": {{ data.lines | map: "sku" | join: ", " | json }}}';

/** One for each format, and one more for those that are not a chat's. */
const FORMATS = [
  ...alike(2, { format: 'lakehook' }),
  ...alike(2, { format: 'cloudevents' }),
  { format: 'slack' },
  { format: 'microsoft_teams' },
  { format: 'discord' },
  { format: 'pagerduty', format_options: { routing_key: '0123456789abcdef0123456789abcdef' } },
  ...alike(2, { format: 'template', format_options: { template: TEMPLATE } }),
];

/** By name: the settings of each of the ten webhooks. */
const VARIANTS = {
  without: alike(WEBHOOKS),
  filters: alike(WEBHOOKS, { filter: FILTER }),
  'filters and formats': FORMATS.map((form) => ({ filter: FILTER, ...form })),
  'rate limit, never reached': alike(WEBHOOKS, { rate_limit: { per_second: 10_000, burst: 100_000 } }),
  'in order, 1,000 keys': alike(WEBHOOKS, { ordered: true, order_key: 'data.order' }),
  'signed by v1 and v1a': alike(WEBHOOKS, { signing: ['v1', 'v1a'] }),
};
const AIMED = 'filters and formats';
const AIM = 0.9;

export async function features(bench) {
  const count = bench.options.quick ? 20_000 : 40_000;
  const names = Object.keys(VARIANTS);
  // One variant of the batch: a thousand events, each with an `order` of its own.
  const measure = (name, events) => deliver(bench, events, VARIANTS[name], { metadata: METADATA, variants: 1 });
  bench.say('features: warming up');
  for (const name of names) await measure(name, 300);
  const rounds = [];
  for (let round = 1; round <= bench.rounds; round++) {
    const measured = {};
    for (const turn of names.keys()) {
      const name = names[(turn + round - 1) % names.length];
      bench.say(`features: round ${round}, ${name}`);
      measured[name] = await measure(name, count / WEBHOOKS);
    }
    rounds.push(measured);
  }
  return { rounds, serverTitle: 'with', floorTitle: 'without', rows: names.filter((name) => name !== 'without').flatMap((name) => rowsOf(rounds, name)) };
}

function rowsOf(rounds, name) {
  const pair = (pick) => ({ server: show(median(rounds.map((round) => pick(round[name])))), floor: show(median(rounds.map((round) => pick(round.without)))) });
  // Of the pairs that ran next to each other, not of the medians: the machine may have changed between rounds.
  const ratio = median(rounds.map((round) => round[name].rate / round.without.rate));
  return [
    { name: `${name}: deliveries/s`, ...pair((r) => r.rate), ratio, ...(name === AIMED && { aim: `≥ ${AIM} of without`, met: ratio >= AIM }) },
    { name: '· CPU of the process, µs per delivery', ...pair((r) => (1000 * r.cost.server) / r.total) },
    { name: '· CPU of Postgres, µs per delivery', ...pair((r) => (1000 * r.cost.postgres) / r.total) },
  ];
}
