import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import type { House } from '../support/house.js';

export interface SeenFile {
  key: string;
  partition: string;
  bytes: number;
  sha256: string;
  row_count: number;
  sums: Record<string, string>;
  unchanged: boolean;
}

export interface SeenExport {
  export_id: string;
  status: string;
  prefix: string;
  target: string;
  progress: number;
  total_row_count: number | null;
  row_count: number;
  byte_count: number;
  unchanged: boolean;
  error: string | null;
  files: SeenFile[];
}

/** Costs of the days from one on, some rows each, of a tenant (the first one of the house by default). */
export async function givenCosts(house: Pick<House, 'sql'>, from: string, days: number, rowsPerDay: number, tenantId?: string): Promise<void> {
  const months = new Set(Array.from({ length: days }, (_, n) => new Date(Date.parse(from) + n * 86_400_000).toISOString().slice(0, 7)));
  for (const month of months) await house.sql(`CREATE TABLE IF NOT EXISTS cost_data_${month.replace('-', '')} PARTITION OF cost_data FOR VALUES FROM ('${month}-01') TO (date '${month}-01' + interval '1 month')`);
  await house.sql(`
    INSERT INTO cost_data (tenant_id, date, record_id, provider, service_name, region_id, charge_category, billed_cost, effective_cost, list_cost, contracted_cost, quantity, currency, tags)
    SELECT coalesce($4::uuid, (SELECT min(tenant_id::text)::uuid FROM tenants)), $1::date + day, gen_random_uuid(), 'aws', 'service ' || n % 7, NULL, 'Usage', n + 0.000000000000000000001, n / 3.0, 0.1, -1, NULL, 'USD', '{"team":"a"}'
      FROM generate_series(0, $2::int - 1) day, generate_series(1, $3::int) n`, [from, days, rowsPerDay, tenantId ?? null]);
}

/** Queues an export of costs as Parquet, unless `more` says otherwise. */
export async function givenExport(api: House['api'], from: string, to: string, more: object = {}): Promise<string> {
  return ((await api.post('/v1/datalake/exports').send({ dataset: 'cost_data', format: 'parquet', from, to, ...more }).expect(202)).body as SeenExport).export_id;
}

/** An export once it has come to its end. */
export async function exportOf(api: House['api'], exportId: string): Promise<SeenExport> {
  return eventually(`the export ${exportId} to end`, async () => {
    const { body } = await api.get(`/v1/datalake/exports/${exportId}`).expect(200);
    const seen = body as SeenExport;
    return seen.status !== 'queued' && seen.status !== 'running' && seen;
  }, 30_000);
}

/** Queues an export and waits for its end. */
export async function exported(api: House['api'], from: string, to: string, more: object = {}): Promise<SeenExport> {
  return exportOf(api, await givenExport(api, from, to, more));
}

/** Everything that can be seen under a folder, by path from there, with its content's SHA-256. Hidden folders cannot be seen. */
export function filesUnder(folder: string): Record<string, string> {
  const paths = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  return Object.fromEntries(paths.filter((path) => !path.split('/').some((name) => name.startsWith('.')) && statSync(join(folder, path)).isFile()).sort().map((path) => [path, sha256Of(readFileSync(join(folder, path)))]));
}

/** Files that are staged under the folder of a disk store, and not yet to be seen. */
export function stagedUnder(folder: string): string[] {
  const hidden = join(folder, '.lakehook', 'staged');
  return existsSync(hidden) ? readdirSync(hidden, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(hidden, path)).isFile()) : [];
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What is wrong with the files under a lake's or a private export's prefix, as its manifest tells them: missing, other, or not listed. */
export function brokenManifest(folder: string, prefix: string): string[] {
  const { [`${prefix}/_manifest.json`]: hash, ...files } = Object.fromEntries(Object.entries(filesUnder(folder)).filter(([path]) => path.startsWith(`${prefix}/`)));
  if (!hash) return Object.keys(files).map((path) => `${path} is there without a manifest`);
  const { partitions } = JSON.parse(readFileSync(join(folder, prefix, '_manifest.json'), 'utf8')) as { partitions: { files: { path: string; bytes: number; sha256: string }[] }[] };
  const listed = new Map(partitions.flatMap((partition) => partition.files.map((file) => [`${prefix}/${file.path}`, file])));
  return [
    ...[...listed].flatMap(([path, { sha256 }]) => (files[path] === sha256 ? [] : [`${path} is ${files[path] ? 'another' : 'missing'}`])),
    ...Object.keys(files).filter((path) => !listed.has(path)).map((path) => `${path} is not listed`),
  ];
}

/** Keeps everybody from reading costs until it is released: an export stands still in its first statement. */
export async function holdCosts(house: Pick<House, 'databaseUrl'>): Promise<{ release(): Promise<void> }> {
  const client = new Client({ connectionString: house.databaseUrl });
  await client.connect();
  client.on('error', () => {});
  await client.query('BEGIN; LOCK TABLE cost_data IN ACCESS EXCLUSIVE MODE');
  return { release: () => client.end() };
}
