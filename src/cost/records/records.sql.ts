import { Prisma, type Tx } from '../../platform/index.js';

/**
 * Makes the partitions of the months (`YYYYMM`) that have none yet. Raw because Prisma knows no partitions. A partition is made apart and
 * then attached, which goes on beside reads and writes of the table; made in its place it would wait for every export that runs,
 * and everybody else for it.
 */
export async function makeMonths(tx: Tx, months: string[]): Promise<void> {
  if ((await missing(tx, months)).length === 0) return;
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('months of cost_data'))`;
  for (const month of await missing(tx, months)) {
    const first = `${month.slice(0, 4)}-${month.slice(4)}-01`;
    await tx.$executeRaw(Prisma.raw(`CREATE TABLE cost_data_${month} (LIKE cost_data INCLUDING CONSTRAINTS)`));
    await tx.$executeRaw(Prisma.raw(`ALTER TABLE cost_data ATTACH PARTITION cost_data_${month} FOR VALUES FROM ('${first}') TO (date '${first}' + interval '1 month')`));
  }
}

async function missing(tx: Tx, months: string[]): Promise<string[]> {
  // Not by `to_regclass`, which may remember from before the lock.
  const rows = await tx.$queryRaw<{ month: string }[]>`
    SELECT month FROM unnest(${months}::text[]) AS month
     WHERE 'cost_data_' || month NOT IN (SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'cost_data'::regclass)
     ORDER BY 1`;
  return rows.map(({ month }) => month);
}

/**
 * Stores records, given as the text of a JSON array whose members are named like the columns. Raw because it is one statement for thousands
 * of rows and one parameter for all their values. Rows go in by day, as exports read them: those of a day lie beside each other.
 */
export async function insertRecords(tx: Tx, tenantId: string, json: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    INSERT INTO cost_data (tenant_id, date, record_id, provider, billing_account_id, sub_account_id, service_name, region_id, resource_id, charge_category,
                           usage_type, billed_cost, effective_cost, list_cost, contracted_cost, quantity, unit, currency, tags)
    SELECT ${tenantId}::uuid, r.*
      FROM jsonb_to_recordset(${json}::jsonb)
        AS r(date date, record_id uuid, provider text, billing_account_id text, sub_account_id text, service_name text, region_id text, resource_id text, charge_category text,
             usage_type text, billed_cost numeric, effective_cost numeric, list_cost numeric, contracted_cost numeric, quantity numeric, unit text, currency text, tags jsonb)
     ORDER BY r.date, r.record_id`);
}
