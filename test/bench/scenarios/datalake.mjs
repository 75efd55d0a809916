/**
 * The lake: rows of `cost_data` to files on a disk. The floor of the text formats is Postgres's own COPY of the same SELECT to
 * /dev/null; of Parquet it is DuckDB's way from a CSV of the same rows, which is read from the page cache, on all cores (once: 38
 * digits cost it a minute). Then an export over HTTP while somebody publishes steadily: what it costs them.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_BYTES } from '../bench.mjs';
import { Helper } from '../helper.mjs';
import { median, show, summarise } from '../stats.mjs';

const FULL_ROWS = 3_000_000;
const QUICK_ROWS = 300_000;
const MONTH = ['2024-11-01', '2024-12-01'];
const DAYS = 30;
const PUBLISH_RATE = 200;
const GB = 1e9;
const MB = 1e6;
const FORMATS = { csv: { kind: 'csv', compression: 'none' }, json: { kind: 'json', compression: 'none' }, parquet: { kind: 'parquet', compression: 'zstd' } };

export async function datalake(bench) {
  const count = bench.options.quick ? QUICK_ROWS : FULL_ROWS;
  const folder = join(bench.server.home, 'bench-lake');
  mkdirSync(folder);
  // Postgres writes the CSV for DuckDB, as the user it runs as.
  chmodSync(folder, 0o777);
  const { rows: [{ tenant_id: tenantId }] } = await bench.server.db.query('SELECT tenant_id FROM tenants ORDER BY created_at LIMIT 1');
  bench.say(`datalake: making ${count} rows`);
  await makeRows(bench.server.db, tenantId, count);
  const rows = { tenantId, from: MONTH[0], to: MONTH[1] };
  const floor = await measureDuck(bench, folder, rows);
  const rounds = [];
  for (let round = 1; round <= bench.rounds; round++) {
    bench.say(`datalake: round ${round}`);
    rounds.push(await measure(bench, folder, { select: floor.select, rows, count }));
  }
  const publishing = [];
  for (let round = 1; round <= bench.rounds; round++) {
    bench.say(`datalake: publishing, alone and beside an export: round ${round}`);
    publishing.push(await measurePublishing(bench));
  }
  return { rounds, floor, publishing, serverTitle: 'export', rows: rowsOf(rounds, floor, publishing, count) };
}

async function measureDuck(bench, folder, rows) {
  bench.say('datalake: DuckDB, from a CSV');
  const csv = join(folder, 'postgres.csv');
  const select = await withHelper((helper) => helper.call('select', rows));
  await bench.server.db.query(`COPY (${select}) TO '${csv}' (FORMAT csv, HEADER)`);
  const duck = await withHelper((helper) => helper.call('duck', { csv, folder }));
  return { ...duck, select, textBytes: statSync(csv).size };
}

async function measure(bench, folder, { select, rows, count }) {
  await bench.server.quiet();
  const result = { copy: await timed(() => bench.server.db.query(`COPY (${select}) TO '/dev/null' (FORMAT csv)`)), formats: {} };
  for (const [name, format] of Object.entries(FORMATS)) {
    await bench.server.quiet();
    const written = await withHelper((helper) => helper.call('write', { databaseUrl: bench.server.databaseUrl, folder, rows, format }));
    bench.expect(written.rows === count, `${name}: ${count} rows are there and ${written.rows} were written`);
    result.formats[name] = written;
  }
  return result;
}

/** Each measurement has a process of its own: memory that one has taken is not what the next takes. */
async function withHelper(work) {
  const helper = new Helper('tables.mjs');
  try {
    return await work(helper);
  } finally {
    await helper.stop();
  }
}

async function timed(work) {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

async function measurePublishing(bench) {
  const eventType = bench.freshType('datalake');
  const load = { port: bench.server.port, key: bench.server.key, mode: 'open', rate: PUBLISH_RATE, connections: 16, samples: true, body: { eventTypes: [eventType], bytes: DATA_BYTES, perRequest: 1 } };
  await bench.server.quiet();
  await bench.generator.call('run', { ...load, seconds: 2 });
  const alone = await bench.generator.call('run', { ...load, seconds: bench.seconds(15, 8) });
  const formats = {};
  for (const [name, { kind, compression }] of Object.entries(FORMATS)) {
    await bench.server.quiet();
    const running = bench.generator.call('run', load);
    const begun = epochMs();
    const made = await bench.server.call('POST', '/v1/datalake/exports', { dataset: 'cost_data', format: kind, compression, target: 'private', from: MONTH[0], to: MONTH[1] });
    let view = made;
    while (!['succeeded', 'failed', 'cancelled'].includes(view.status)) {
      await new Promise((wake) => setTimeout(wake, 200));
      view = await bench.server.call('GET', `/v1/datalake/exports/${made.export_id}`);
    }
    const ended = epochMs();
    await bench.generator.call('end');
    const { samples, failures } = await running;
    bench.expect(view.status === 'succeeded', `the export as ${name} ${view.status}: ${JSON.stringify(view.error)}`);
    for (const [reason, times] of Object.entries(failures)) bench.expect(false, `${times} publishes beside an export failed: ${reason}`);
    formats[name] = { ...summarise(samples.filter(({ at }) => at >= begun && at < ended).map(({ latency }) => latency)), seconds: (ended - begun) / 1000 };
  }
  return { alone: summarise(alone.samples.map(({ latency }) => latency)), formats };
}

const epochMs = () => performance.timeOrigin + performance.now();

/** Rows like those of a bill: few services and regions, many resources, prices with ten digits behind the point, some tags. */
async function makeRows(db, tenantId, count) {
  await db.query(`CREATE TABLE IF NOT EXISTS cost_data_202411 PARTITION OF cost_data FOR VALUES FROM ('${MONTH[0]}') TO ('${MONTH[1]}')`);
  await db.query(`
    INSERT INTO cost_data (tenant_id, date, record_id, provider, billing_account_id, sub_account_id, service_name, region_id, resource_id, charge_category, usage_type,
      billed_cost, effective_cost, list_cost, contracted_cost, quantity, unit, currency, tags)
    SELECT $1::uuid, date '${MONTH[0]}' + (i::bigint * ${DAYS} / $2)::int, ('019346a0-' || lpad(to_hex(i >> 16), 4, '0') || '-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'aws', '100000000000', (200000000000 + h % 40)::text,
      (ARRAY['AmazonEC2','AmazonS3','AmazonRDS','AWSLambda','AmazonDynamoDB','AmazonCloudFront','AWSDataTransfer','AmazonEKS'])[1 + h % 8],
      (ARRAY['us-east-1','us-west-2','eu-west-1','eu-central-1','ap-southeast-1'])[1 + h % 5],
      'arn:aws:ec2:us-east-1:' || (200000000000 + h % 40) || ':instance/i-' || lpad(to_hex((h::bigint * 7919) % 60000 + 3735928559), 17, '0'),
      (ARRAY['Usage','Usage','Usage','Usage','Tax','Credit'])[1 + h % 6], 'BoxUsage:' || (ARRAY['m5.large','m5.xlarge','c5.2xlarge','r5.4xlarge','t3.micro'])[1 + h % 5],
      c, round(c * 0.83, 10), round(c * 1.25, 10), round(c * 0.9, 10), round((h % 24000) / 1000.0, 6), 'Hrs', 'USD',
      jsonb_build_object('env', (ARRAY['prod','staging','dev'])[1 + h % 3], 'team', 'team-' || h % 25, 'cost-center', (1000 + h % 90)::text)
    FROM (SELECT i, abs(hashint4(i)::bigint) % 1000000007 AS h, round((abs(hashint4(i + 77)::bigint) % 100000000) / 1000000.0 + (abs(hashint4(i * 3 % 1000000)::bigint) % 10000) / 10000000000.0, 10) AS c FROM generate_series(0, $2 - 1) i) s`, [tenantId, count]);
  await db.query('VACUUM ANALYZE cost_data');
}

function rowsOf(rounds, floor, publishing, count) {
  const of = (pick) => median(rounds.map(pick));
  const toCopy = (name) => of((r) => r.formats[name].seconds / r.copy);
  const perGb = of((r) => (r.formats.parquet.seconds * GB) / floor.textBytes);
  const peak = of((r) => r.formats.parquet.peakBytes / MB);
  const against = (name, title, aim) => ({ name: `${title} of ${count.toLocaleString('en-US')} rows, s`, server: show(of((r) => r.formats[name].seconds)), floor: show(of((r) => r.copy)), ratio: toCopy(name), aim: `≤ ${aim}`, met: toCopy(name) <= aim });
  const beside = (name) => {
    const inRounds = (pick) => median(publishing.map(({ alone, formats }) => pick(formats[name], alone)));
    const ratio = inRounds((exporting, alone) => exporting.p99 / alone.p99);
    return { name: `publish, p99 ms, beside an export as ${name} (${show(inRounds(({ seconds }) => seconds))} s)`, server: show(inRounds(({ p99 }) => p99)), floor: show(inRounds((_exporting, alone) => alone.p99)), ratio, aim: '≤ 2', met: ratio <= 2 };
  };
  return [
    against('csv', `CSV (floor: COPY ${show(floor.textBytes / MB)} MB to /dev/null)`, 1.3),
    against('json', 'JSON lines (floor: the same)', 3),
    { name: `Parquet, zstd (floor: DuckDB from CSV), s`, server: show(of((r) => r.formats.parquet.seconds)), floor: show(floor.seconds), ratio: of((r) => r.formats.parquet.seconds / floor.seconds) },
    { name: '· for 1 GB of text, s', server: show(perGb), aim: '≤ 30', met: perGb <= 30 },
    { name: '· memory at its peak above idle, MB', server: show(peak), floor: show(floor.peakBytes / MB), ratio: (peak * MB) / floor.peakBytes, aim: '≤ 400', met: peak <= 400 },
    ...['csv', 'json'].map((name) => ({ name: `· ${name}: memory at its peak above idle, MB`, server: show(of((r) => r.formats[name].peakBytes / MB)) })),
    { name: '· size of the files, MB', server: show(of((r) => r.formats.parquet.bytes / MB)) },
    ...Object.keys(FORMATS).map(beside),
  ];
}
