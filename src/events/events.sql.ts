import { booleanArray, byteaArray, type Lane, Prisma, textArray, timeArray, timeOfUuidv7, type Tx, uuidArray } from '../platform/index.js';

/** A row to append. `chosen` says that the publisher chose the id, so it may have been seen before. */
export interface AppendRow {
  tenantId: string;
  eventId: string;
  chosen: boolean;
  eventType: string;
  occurredAt: number;
  data: string;
  metadata: string;
  sourceId?: string;
  body?: Uint8Array;
  contentType?: string;
}

/** An event as stored; `data` and `metadata` are the text that was sent. */
export interface EventRow {
  tenant_id: string;
  event_id: string;
  event_type: string;
  recorded_at: Date;
  occurred_at: Date;
  data: string;
  metadata: string;
  source_id: string | null;
}

const COLUMNS = Prisma.sql`tenant_id, event_id, event_type, recorded_at, occurred_at, data::text AS data, metadata::text AS metadata, source_id`;

/** What a batch may hold: ids that publishers chose, raw bodies. Most have neither, and do not pay for them. */
interface Kind {
  chosen: boolean;
  bodies: boolean;
}

/** The statements that append, by what the batch holds. */
type Statements = (kind: Kind) => string;

/** A domain's say in what is appended: see {@link appendUnless}. */
export interface Unless {
  statements: Statements;
  values: unknown[];
}

/** A row that was not stored, and what the domain that held it back wants to know of it. */
export interface Held {
  eventId: string;
  known: string | null;
}

/** What became of rows: the `tenant/id` of chosen ids that were new, and what was held back. */
export interface Outcome {
  claimed: ReadonlySet<string>;
  held: readonly Held[];
}

/**
 * Statements that append what another domain does not hold back, which it decides in the same statement and transaction, be it by a
 * table of its own that it writes. `ctes` are common table expressions with the parameters `$1` to `$<count>`; the last is
 * `held (event_id, known)`: rows that are not to be stored, and a text that its domain wants to have of each.
 */
export function appendUnless(ctes: string, count: number): Statements {
  return statements(`${ctes}, `, count);
}

function statements(ctes: string, count: number): Statements {
  const texts = [false, true].map((chosen) => [false, true].map((bodies) => appendText({ chosen, bodies }, ctes, count)));
  return ({ chosen, bodies }) => texts[Number(chosen)]![Number(bodies)]!;
}

function appendText({ chosen, bodies }: Kind, ctes: string, count: number): string {
  const types = ['uuid', 'text', 'text', 'timestamptz', 'text', 'text', 'uuid', ...(chosen ? ['boolean', 'timestamptz'] : []), ...(bodies ? ['bytea', 'text'] : [])];
  const incoming = `unnest(${types.map((type, index) => `$${count + 2 + index}::${type}[]`).join(', ')}) AS r(t, i, y, o, d, m, s${chosen ? ', c, u' : ''}${bodies ? ', b, k' : ''})${ctes && ' WHERE i NOT IN (SELECT event_id FROM held)'}`;
  const recordedAt = `$${count + 1}::timestamptz`;
  const insert = `
  INSERT INTO events (tenant_id, recorded_at, event_id, event_type, occurred_at, data, metadata, source_id${bodies ? ', body, content_type' : ''})
  SELECT t, ${recordedAt}, i, y, o, d::json, m::json, s${bodies ? ', b, k' : ''}`;
  const held = 'SELECT event_id AS key, known, true AS held FROM held';
  if (!chosen) return ctes ? `WITH ${ctes}stored AS (${insert} FROM ${incoming}) ${held}` : `${insert} FROM ${incoming}`;
  return `
  WITH ${ctes}incoming AS MATERIALIZED (
    SELECT * FROM ${incoming}
  ), claimed AS (
    INSERT INTO event_ledger (tenant_id, event_id, recorded_at)
    SELECT t, i, ${recordedAt} FROM incoming
     WHERE c AND (u IS NULL OR NOT (SELECT EXISTS (SELECT FROM events e WHERE e.tenant_id = t AND e.recorded_at = u AND e.event_id = i)))
     ORDER BY t, i COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, event_id
  ), stored AS (
    ${insert} FROM incoming WHERE NOT c OR (t, i) IN (SELECT tenant_id, event_id FROM claimed)
  )
  SELECT tenant_id || '/' || event_id AS key, NULL AS known, false AS held FROM claimed${ctes && ` UNION ALL ${held}`}`;
}

const APPEND = statements('', 0);

/**
 * Appends a batch, all recorded at the same time, but for what `unless` holds back. Ids of ours are new by construction.
 *
 * Raw because it is one statement for both tables and the hottest there is; columns travel as arrays, which Postgres reads at
 * half the cost of JSON, in binary. The ledger's primary key decides between concurrent publishers of the same id; rows go in sorted so
 * that two batches cannot deadlock on it. A chosen id that is a UUID v7 may be one of ours come back: then it stands in
 * `events` at the time it carries, and one probe of the primary key finds it.
 */
export async function appendRows(lane: Lane, recordedAt: Date, rows: AppendRow[], unless?: Unless): Promise<Outcome> {
  const column = <T>(read: (row: AppendRow) => T): T[] => rows.map(read);
  const kind = { chosen: rows.some(({ chosen }) => chosen), bodies: rows.some(({ body }) => body) };
  const values: unknown[] = [
    ...(unless?.values ?? []),
    recordedAt, uuidArray(column((row) => row.tenantId)), textArray(column((row) => row.eventId)), textArray(column((row) => row.eventType)), timeArray(column((row) => row.occurredAt)),
    textArray(column((row) => row.data)), textArray(column((row) => row.metadata)), uuidArray(column((row) => row.sourceId ?? null)),
  ];
  if (kind.chosen) values.push(booleanArray(column((row) => row.chosen)), timeArray(column((row) => (row.chosen ? (ownTime(row.eventId)?.getTime() ?? null) : null))));
  if (kind.bodies) values.push(byteaArray(column((row) => row.body ?? null)), textArray(column((row) => row.contentType ?? null)));
  const { rows: answers } = await lane.executeSql<{ key: string; known: string | null; held: boolean }>((unless?.statements ?? APPEND)(kind), values);
  return { claimed: new Set(answers.flatMap(({ key, held }) => (held ? [] : [key]))), held: answers.flatMap(({ key, known, held }) => (held ? [{ eventId: key, known }] : [])) };
}

function ownTime(eventId: string): Date | undefined {
  const ms = timeOfUuidv7(eventId);
  // Beyond the year 9999 it is no time of ours.
  return ms === undefined || ms > 253_402_300_799_999 ? undefined : new Date(ms);
}

/** One event by id: its ledger row says when it was recorded, or else the id itself does. Leans on both primary keys. */
export async function findEvent(tx: Tx, tenantId: string, eventId: string): Promise<EventRow | undefined> {
  return findColumns<EventRow>(tx, tenantId, eventId, COLUMNS);
}

/** The body that an event came in. */
export interface EventBody {
  event_type: string;
  /** Null where it is the `data`. */
  body: Uint8Array | null;
  data: string;
  content_type: string | null;
}

export async function findEventBody(tx: Tx, tenantId: string, eventId: string): Promise<EventBody | undefined> {
  return findColumns<EventBody>(tx, tenantId, eventId, Prisma.sql`event_type, body, data::text AS data, content_type`);
}

async function findColumns<Row>(tx: Tx, tenantId: string, eventId: string, columns: Prisma.Sql): Promise<Row | undefined> {
  if (eventId.includes('\0')) return undefined;
  const [ledger] = await tx.$queryRaw<{ recorded_at: Date }[]>(Prisma.sql`
    SELECT recorded_at FROM event_ledger WHERE tenant_id = ${tenantId}::uuid AND event_id = ${eventId}`);
  const recordedAt = ledger?.recorded_at ?? ownTime(eventId);
  if (!recordedAt) return undefined;
  const [row] = await tx.$queryRaw<Row[]>(Prisma.sql`
    SELECT ${columns} FROM events WHERE tenant_id = ${tenantId}::uuid AND recorded_at = ${recordedAt} AND event_id = ${eventId}`);
  return row;
}

/** Where an event stands in the log. */
export interface EventPlace {
  event_id: string;
  recorded_at: Date;
}

/** Those of these events that are stored, each found like a single one. */
export async function locateEvents(tx: Tx, tenantId: string, eventIds: string[]): Promise<EventPlace[]> {
  return tx.$queryRaw<EventPlace[]>(Prisma.sql`
    SELECT e.event_id, e.recorded_at FROM unnest(${eventIds}::text[], ${eventIds.map((id) => ownTime(id)?.toISOString() ?? null)}::timestamptz[]) AS p(i, own)
      LEFT JOIN event_ledger l ON l.tenant_id = ${tenantId}::uuid AND l.event_id = p.i
      JOIN events e ON e.tenant_id = ${tenantId}::uuid AND e.recorded_at = coalesce(l.recorded_at, p.own) AND e.event_id = p.i`);
}

export interface EventFilter {
  eventType?: string;
  from?: Date;
  to?: Date;
  sourceId?: string;
  metadata: [key: string, value: string][];
}

/** A page of the log, newest first: a backward walk of the primary key. */
export async function listEvents(tx: Tx, tenantId: string, filter: EventFilter, after: [string, string] | undefined, limit: number): Promise<EventRow[]> {
  const where = [
    Prisma.sql`tenant_id = ${tenantId}::uuid`,
    ...(filter.eventType ? [Prisma.sql`event_type = ${filter.eventType}`] : []),
    ...(filter.from ? [Prisma.sql`recorded_at >= ${filter.from}`] : []),
    ...(filter.to ? [Prisma.sql`recorded_at < ${filter.to}`] : []),
    ...(filter.sourceId ? [Prisma.sql`source_id = ${filter.sourceId}::uuid`] : []),
    ...filter.metadata.map(([key, value]) => Prisma.sql`metadata ->> ${key} = ${value}`),
    ...(after ? [Prisma.sql`(recorded_at, event_id) < (${new Date(after[0])}, ${after[1]})`] : []),
  ];
  return tx.$queryRaw<EventRow[]>(Prisma.sql`
    SELECT ${COLUMNS} FROM events WHERE ${Prisma.join(where, ' AND ')} ORDER BY recorded_at DESC, event_id DESC LIMIT ${limit}`);
}

/** Forgets the chosen ids recorded before a time. Leans on the block-range index of each ledger partition. */
export async function forgetLedgerBefore(tx: Tx, before: Date): Promise<number> {
  return tx.$executeRaw(Prisma.sql`DELETE FROM event_ledger WHERE recorded_at < ${before}`);
}
