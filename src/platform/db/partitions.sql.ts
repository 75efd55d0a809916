import { DAY_MS, dayOf } from '../days.js';
import { Prisma } from './generated/client.js';
import type { Tx } from './database.js';

/**
 * Makes the daily partitions of `table` from yesterday to `aheadDays` from now, where they are missing. Raw because
 * Prisma knows no partitions. Takes a lock only when something is missing, so it is free to call often. A partition is made apart
 * and then attached, which goes on beside reads and writes of the table; made in its place it would wait for every export that runs, and
 * everybody else for it.
 */
export async function makePartitions(tx: Tx, table: string, now: number, aheadDays: number): Promise<void> {
  const existing = new Set(await listPartitions(tx, table));
  for (let day = -1; day <= aheadDays; day++) {
    const from = dayOf(now + day * DAY_MS);
    if (existing.has(from)) continue;
    const to = dayOf(now + (day + 1) * DAY_MS);
    const partition = partitionName(table, from);
    await tx.$executeRaw(Prisma.raw(`CREATE TABLE ${partition} (LIKE ${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)`));
    await tx.$executeRaw(Prisma.raw(`ALTER TABLE ${table} ATTACH PARTITION ${partition} FOR VALUES FROM ('${from}T00:00:00Z') TO ('${to}T00:00:00Z')`));
  }
}

/** Days (`YYYY-MM-DD`) that `table` has a partition for, oldest first. */
export async function listPartitions(tx: Tx, table: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ name: string }[]>`
    SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = ${table}::regclass ORDER BY 1`;
  return rows.map(({ name }) => name.slice(-8)).map((digits) => `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`);
}

/**
 * Drops the partition of one day. That takes the whole table for a moment, and whoever comes while it waits for that waits too: so it
 * waits for a moment only, and fails (55P03) while somebody reads the table for long.
 */
export async function dropPartition(tx: Tx, table: string, day: string): Promise<void> {
  await tx.$executeRaw`SET LOCAL lock_timeout = 300`;
  await tx.$executeRaw(Prisma.raw(`DROP TABLE IF EXISTS ${partitionName(table, day)}`));
}

function partitionName(table: string, day: string): string {
  return `${table}_${day.replaceAll('-', '')}`;
}
