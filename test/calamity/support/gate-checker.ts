import { createHash } from 'node:crypto';
import { Client } from 'pg';
import type { Outcome } from './exchange.js';
import type { Notice } from './provider.js';
import type { Published } from './publisher.js';

/** What the outside world knows of the front gate: who sent what, and what each was told. */
export interface AtTheGate {
  notices: Notice[];
  published?: Published[];
  /** How long a request may take that ends as 2xx or 503. Absent, ends are not looked at. */
  endsWithinMs?: number;
  /** A server died, so that connections may break. */
  mayBreak?: boolean;
}

interface StoredNotice { source_id: string; id: string | null; event_id: string; sha256: string }
interface StoredConflict extends StoredNotice { said: string }

const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
const keyOf = (sourceId: string, id: string): string => `${id} of ${sourceId}`;
const byKey = <Row extends StoredNotice>(rows: Row[]) => Map.groupBy(rows.filter(({ id }) => id !== null), ({ source_id, id }) => keyOf(source_id, id!));
const nameOf = (sourceId: string, hash: string): string => `the bytes ${hash.slice(0, 12)} of ${sourceId}`;
const acknowledged = (outcomes: Outcome[]) => outcomes.filter((outcome) => outcome.kind === 'acknowledged');
/** Only 4xx says that nothing was stored: after 503 or a broken connection nobody knows. */
const isRefused = (outcome: Outcome): boolean => outcome.kind === 'answered' && outcome.status >= 400 && outcome.status < 500;
const mayBeStored = ({ outcomes }: { outcomes: Outcome[] }): boolean => outcomes.some((outcome) => !isRefused(outcome));

/**
 * Compares what providers sent, and were told, with what is stored, after the spools are empty. Answers every broken promise in
 * words: I1 nothing acknowledged is lost, I2 nothing is invented and every byte is as it was sent, I3 one event per
 * source and provider's id, other bytes under the id kept as a conflict, I9 every request ends in time as 2xx or 503. It reads tables
 * and ledgers only and shares no code with the product.
 */
export async function brokenAtTheGate(databaseUrl: string, outside: AtTheGate): Promise<string[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const rowsOf = async <Row>(text: string): Promise<Row[]> => (await client.query(text)).rows as Row[];
    const events = await rowsOf<StoredNotice>(`
      SELECT source_id, event_id, metadata ->> 'provider_event_id' AS id, encode(sha256(coalesce(body, convert_to(data::text, 'UTF8'))), 'hex') AS sha256 FROM events WHERE source_id IS NOT NULL`);
    const ledger = await rowsOf<StoredNotice>("SELECT source_id, event_id, provider_event_id AS id, encode(body_sha256, 'hex') AS sha256 FROM inbound_ledger");
    const conflicts = await rowsOf<StoredConflict>("SELECT source_id, event_id, provider_event_id AS id, encode(body_sha256, 'hex') AS said, encode(sha256(body), 'hex') AS sha256 FROM inbound_conflicts");
    const published = (await rowsOf<{ data: string }>('SELECT data::text AS data FROM events WHERE source_id IS NULL')).map(({ data }) => data);
    const refused = await rowsOf<{ reason: string }>('SELECT reason FROM spool_refused');
    return [
      ...checkIdentified(outside.notices, events, ledger, conflicts),
      ...checkUnidentified(outside.notices, events),
      ...(outside.published ?? []).filter((event) => event.outcomes.length > 0 && !mayBeStored(event) && published.includes(event.data)).map(({ data }) => `I2: ${data} was refused and is stored`),
      ...refused.map(({ reason }) => `I1: an acknowledged record could not be stored: ${reason}`),
      ...[...outside.notices, ...(outside.published ?? [])].flatMap((sent) => checkEnds(sent, outside)),
    ];
  } finally {
    await client.end();
  }
}

/** I1 to I3 for what carries an id of its provider's. */
function checkIdentified(notices: Notice[], events: StoredNotice[], ledger: StoredNotice[], conflicts: StoredConflict[]): string[] {
  const sent = Map.groupBy(notices.filter(({ providerEventId }) => providerEventId !== undefined), ({ sourceId, providerEventId }) => keyOf(sourceId, providerEventId!));
  const [stored, known, others] = [byKey(events), byKey(ledger), byKey(conflicts)];
  return [
    ...[...new Set([...stored.keys(), ...known.keys(), ...others.keys()])].filter((key) => !sent.has(key)).map((key) => `I2: nobody sent ${key}`),
    ...[...sent].flatMap(([key, tries]) => checkKey(key, tries, stored.get(key) ?? [], known.get(key) ?? [], others.get(key) ?? [])),
  ];
}

function checkKey(key: string, tries: Notice[], rows: StoredNotice[], known: StoredNotice[], others: StoredConflict[]): string[] {
  const faults: string[] = [];
  const promise = (kept: boolean, text: string): void => void (kept || faults.push(`${text}: ${key}`));
  const told = tries.flatMap(({ outcomes }) => acknowledged(outcomes));
  const possible = new Set(tries.filter(mayBeStored).map(({ body }) => sha256(body)));
  const [row] = rows;
  promise(told.length === 0 || rows.length > 0, 'I1: acknowledged and not stored');
  promise(rows.length <= 1, `I3: stored ${rows.length} times`);
  promise(known.length === rows.length, `I3: ${known.length} rows in the ledger, ${rows.length} events`);
  if (!row) {
    promise(others.length === 0, 'I3: conflicts with nothing');
    return faults;
  }
  promise(rows.every(({ sha256: hash }) => possible.has(hash)), 'I2: stored with bytes that nobody sent, or that were refused');
  promise(known.every(({ event_id, sha256: hash }) => event_id === row.event_id && hash === row.sha256), 'I3: the ledger knows another event');
  promise(told.every(({ duplicate, eventId }) => !duplicate || eventId === row.event_id), 'I3: a repeat was answered with another event');
  const certain = tries.every(({ outcomes }) => outcomes.every((outcome) => outcome.kind === 'acknowledged' || isRefused(outcome)));
  promise(!certain || told.some(({ eventId }) => eventId === row.event_id), 'I3: stored under an id that nobody was told');

  for (const body of tries.filter(({ outcomes }) => acknowledged(outcomes).length > 0).map(({ body }) => sha256(body))) {
    promise(body === row.sha256 || others.some(({ said }) => said === body), 'I3: other bytes were acknowledged and are in no conflict');
  }
  promise(new Set(others.map(({ said }) => said)).size === others.length, 'I3: a conflict is kept twice');
  for (const conflict of others) {
    promise(conflict.said === conflict.sha256 && possible.has(conflict.sha256), 'I2: a conflict of bytes that nobody sent');
    promise(conflict.event_id === row.event_id && conflict.sha256 !== row.sha256, 'I3: a conflict with another event, or with none');
  }
  return faults;
}

/** I1 and I2 for what has no id: every acknowledged request is an event of its own. */
function checkUnidentified(notices: Notice[], events: StoredNotice[]): string[] {
  const sent = Map.groupBy(notices.filter(({ providerEventId }) => providerEventId === undefined), ({ sourceId, body }) => nameOf(sourceId, sha256(body)));
  const stored = Map.groupBy(events.filter(({ id }) => id === null), ({ source_id, sha256: hash }) => nameOf(source_id, hash));
  return [
    ...[...stored.keys()].filter((name) => !sent.has(name)).map((name) => `I2: nobody sent ${name}`),
    ...[...sent].flatMap(([name, tries]) => {
      const outcomes = tries.flatMap((notice) => notice.outcomes);
      const [told, rows] = [acknowledged(outcomes), stored.get(name) ?? []];
      const ids = new Set(rows.map(({ event_id }) => event_id));
      return [
        ...told.filter(({ eventId }) => !ids.has(eventId)).map(({ eventId }) => `I1: ${eventId} was acknowledged and is not stored: ${name}`),
        ...(rows.length > outcomes.filter((outcome) => !isRefused(outcome)).length ? [`I2: stored ${rows.length} times, sent less often: ${name}`] : []),
      ];
    }),
  ];
}

/** I9. */
function checkEnds({ outcomes, refusable }: Notice | Published, { endsWithinMs = Number.POSITIVE_INFINITY, mayBreak }: AtTheGate): string[] {
  if (endsWithinMs === Number.POSITIVE_INFINITY) return [];
  return outcomes.flatMap((outcome) => {
    const isHonest = outcome.kind === 'acknowledged' || (outcome.kind === 'answered' && outcome.status === 503) || (outcome.kind === 'broken' && mayBreak) || (refusable && isRefused(outcome));
    return isHonest && outcome.ms <= endsWithinMs ? [] : [`I9: a request ended as ${JSON.stringify(outcome)}`];
  });
}
