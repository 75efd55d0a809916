import { Client, type ClientBase } from 'pg';
import type { Receipt } from './ledger-receiver.js';
import type { Published } from './publisher.js';

/** A webhook as the test registered it. `wants` is the test's own idea of what matches. */
export interface Wanted {
  webhookId: string;
  path: string;
  wants(eventType: string): boolean;
}

/** What the outside world knows: the publisher's record, the receiver's ledger, the webhooks, the crashes. */
export interface Outside {
  published: Published[];
  receipts: Receipt[];
  webhooks: Wanted[];
  /** Each time a server died (or its database did), and each time a server became ready. */
  crashes: number[];
  starts: number[];
}

/** From a crash, or from the restart where there was nobody left, until what was interrupted is attempted again. */
export const REDELIVERY_WITHIN_MS = 15_000;

interface StoredEvent { event_id: string; event_type: string; data: string; metadata: string; source_id: string | null }
interface StoredDelivery { delivery_id: string; webhook_id: string; event_id: string; status: string; attempt_count: number; next_attempt_at: Date | null; completed_at: Date | null }
interface StoredAttempt { delivery_id: string; attempt: number; started_at: Date; response_status: number | null; error_class: string | null }
interface DeadLetter { delivery_id: string; reason: string }

/** Whether nothing is under way any more: no delivery waits, and no committed batch still has to be matched. */
export async function isDrained(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query(`
    SELECT (SELECT count(*) FROM delivery_queue) + (SELECT count(*) FROM deliveries WHERE status IN ('pending', 'retrying'))
         + (SELECT count(*) FROM pgboss.job WHERE state NOT IN ('completed', 'cancelled')) AS left`);
  return Number(rows[0].left) === 0;
}

/**
 * Compares what the outside world knows with what is stored, after everything has drained. Answers every broken promise
 * in words, numbered: I1 no loss, I2 no invention, I4 delivery, I5 bounded doubles,
 * I8 one identity. It reads tables and ledgers only and shares no code with the product.
 */
export async function brokenPromises(databaseUrl: string, outside: Outside): Promise<string[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const rowsOf = async <Row>(text: string): Promise<Row[]> => (await client.query(text)).rows as Row[];
    const drained = await isDrained(client);
    const events = await rowsOf<StoredEvent>('SELECT event_id, event_type, data::text AS data, metadata::text AS metadata, source_id FROM events');
    const deliveries = await rowsOf<StoredDelivery>('SELECT * FROM deliveries');
    const attempts = await rowsOf<StoredAttempt>('SELECT * FROM attempts ORDER BY delivery_id, attempt, started_at');
    const deadLetters = await rowsOf<DeadLetter>('SELECT * FROM dead_letters');
    return [
      ...(drained ? [] : ['I4: something is still waiting']),
      // What providers sent is looked at by `gate-checker.ts`.
      ...checkStored(outside, events.filter(({ source_id }) => source_id === null), deadLetters.length),
      ...checkDeliveries(outside, events, deliveries),
      ...deliveries.flatMap((delivery) => checkDelivery(delivery, {
        attempts: attempts.filter(({ delivery_id }) => delivery_id === delivery.delivery_id),
        receipts: outside.receipts.filter(({ deliveryId }) => deliveryId === delivery.delivery_id),
        deadLetters: deadLetters.filter(({ delivery_id }) => delivery_id === delivery.delivery_id),
        path: outside.webhooks.find(({ webhookId }) => webhookId === delivery.webhook_id)?.path,
        outside,
      })),
      ...checkReceipts(outside, events, deliveries),
      ...outside.published.flatMap(({ eventId, outcomes }) => outcomes.filter(({ kind }) => kind === 'hung').map(() => `a publish of ${eventId} hung`)),
    ];
  } finally {
    await client.end();
  }
}

/** I1: what was acknowledged is there, once. I2: nothing else is there, and every byte is as it was sent. */
function checkStored({ published }: Outside, events: StoredEvent[], deadLetters: number): string[] {
  const faults: string[] = [];
  const stored = Map.groupBy(events, ({ data }) => data);
  const sent = new Map(published.map((event) => [event.data, event]));
  for (const { eventId, eventType, data, metadata, outcomes } of published) {
    const rows = stored.get(data) ?? [];
    const acknowledged = outcomes.filter((outcome) => outcome.kind === 'acknowledged');
    if (acknowledged.length > 0 && rows.length === 0) faults.push(`I1: ${eventId} was acknowledged and is not stored`);
    if (rows.length > 1) faults.push(`I1: ${eventId} is stored ${rows.length} times`);
    if (new Set(acknowledged.map((outcome) => outcome.eventId)).size > 1) faults.push(`I1: ${eventId} was acknowledged under several ids`);
    if (outcomes[0]?.kind === 'acknowledged' && outcomes[0].duplicate) faults.push(`I2: the first publish of ${eventId} was called a duplicate`);
    if (acknowledged.filter(({ duplicate }) => !duplicate).length > 1) faults.push(`I1: ${eventId} was called new more than once`);
    for (const row of rows) {
      if ((eventId !== undefined && row.event_id !== eventId) || row.event_type !== eventType || row.metadata !== metadata) faults.push(`I2: ${eventId} is stored as something else: ${JSON.stringify(row)}`);
    }
  }
  const foreign = events.filter(({ data }) => !sent.has(data));
  const reports = foreign.filter(({ event_type }) => event_type === 'delivery.exhausted');
  for (const { event_id, event_type } of foreign) if (event_type !== 'delivery.exhausted') faults.push(`I2: nobody published ${event_type} ${event_id}`);
  if (reports.length !== deadLetters) faults.push(`I2: ${deadLetters} dead letters were reported in ${reports.length} events`);
  return faults;
}

/** I4, first half: one delivery per event and matching webhook, and no others. */
function checkDeliveries({ webhooks }: Outside, events: StoredEvent[], deliveries: StoredDelivery[]): string[] {
  const made = Map.groupBy(deliveries, ({ event_id, webhook_id }) => `${event_id} for ${webhook_id}`);
  const expected = new Set(events.flatMap(({ event_id, event_type }) => webhooks.filter(({ wants }) => wants(event_type)).map(({ webhookId }) => `${event_id} for ${webhookId}`)));
  return [
    ...[...expected].filter((pair) => !made.has(pair)).map((pair) => `I4: no delivery of ${pair}`),
    ...[...made].filter(([pair, rows]) => !expected.has(pair) || rows.length > 1).map(([pair, rows]) => `I4: ${rows.length} deliveries of ${pair}, expected ${expected.has(pair) ? 1 : 0}`),
  ];
}

interface About { attempts: StoredAttempt[]; receipts: Receipt[]; deadLetters: DeadLetter[]; path: string | undefined; outside: Outside }

/** I4, second half, I5, I8 and the time to redelivery, for one delivery. */
function checkDelivery(delivery: StoredDelivery, { attempts, receipts, deadLetters, path, outside }: About): string[] {
  const faults: string[] = [];
  const name = `${delivery.event_id} (${delivery.delivery_id})`;
  const promise = (kept: boolean, text: string): void => void (kept || faults.push(`${text}: ${name}`));
  const last = attempts.at(-1);
  const failed = attempts.filter(({ error_class }) => error_class !== null);
  const taken = receipts.filter(({ status }) => status !== undefined && status >= 200 && status < 300);

  promise(delivery.status === 'succeeded' || delivery.status === 'dead', `I4: ended as ${delivery.status}`);
  promise(delivery.completed_at !== null && delivery.next_attempt_at === null, 'I4: ended and yet goes on');
  if (delivery.status === 'succeeded') {
    promise(taken.length > 0, 'I4: succeeded and the receiver never took it');
    promise(deadLetters.length === 0, 'I4: both succeeded and dead');
    promise(last?.error_class === null && last.response_status === 200, 'I4: succeeded without a successful last attempt');
  } else {
    promise(taken.length === 0, 'I4: dead although the receiver took it');
    promise(deadLetters.length === 1 && deadLetters[0]!.reason.length > 10, 'I4: dead without a reason');
  }

  promise(attempts.every(({ attempt }, index) => attempt === index + 1), `I5: the attempts are numbered ${attempts.map(({ attempt }) => attempt).join(', ')}`);
  promise(delivery.attempt_count === attempts.length, `I5: ${delivery.attempt_count} attempts counted, ${attempts.length} on record`);
  promise(attempts.length - failed.length <= 1, 'I5: two attempts on record succeeded');
  promise(receipts.length <= attempts.length, `I5: ${receipts.length} requests, ${attempts.length} attempts on record`);
  promise(receipts.length - 1 <= failed.length, `I5: ${receipts.length} requests, only ${failed.length} attempts on record that failed`);
  promise(taken.length <= 1 + failed.length, 'I5: too many doubles');
  for (const [status, rows] of Map.groupBy(attempts.filter(({ response_status }) => response_status !== null), ({ response_status }) => response_status!)) {
    const seen = receipts.filter((receipt) => receipt.status === status).length;
    promise(rows.length <= seen, `I5: ${rows.length} attempts on record were answered ${status}, the receiver answered so ${seen} times`);
  }

  for (const receipt of receipts) {
    promise(receipt.webhookId === delivery.event_id, `I8: sent as ${receipt.webhookId}`);
    promise(receipt.body.equals(receipts[0]!.body), 'I8: the bytes differ between attempts');
    promise(receipt.path === path, `I4: sent to ${receipt.path}`);
  }

  attempts.forEach(({ error_class, started_at }, index) => {
    if (error_class !== 'interrupted') return;
    const next = attempts[index + 1]?.started_at.getTime();
    if (next === undefined) return faults.push(`I5: interrupted and never attempted again: ${name}`);
    const crash = outside.crashes.find((at) => at >= started_at.getTime());
    if (crash === undefined) return faults.push(`I5: interrupted by nothing: ${name}`);
    const from = Math.max(crash, ...outside.starts.filter((at) => at <= next));
    promise(next - from <= REDELIVERY_WITHIN_MS, `redelivered only ${next - from} ms after the crash or restart`);
  });
  return faults;
}

/** I2 on the wire: every request belongs to a delivery, and carries the published bytes. */
function checkReceipts({ published, receipts }: Outside, events: StoredEvent[], deliveries: StoredDelivery[]): string[] {
  const known = new Set(deliveries.map(({ delivery_id }) => delivery_id));
  const noticed = events.filter(({ source_id }) => source_id !== null).map((event): [string, Pick<Published, 'eventType' | 'data' | 'metadata'>] => [event.event_id, { ...event, eventType: event.event_type }]);
  const sent = new Map([...noticed, ...published.map((event): [string | undefined, Published] => [event.eventId, event])]);
  return receipts.flatMap(({ deliveryId, webhookId, body }) => {
    if (!known.has(deliveryId)) return [`I2: a request for the unknown delivery ${deliveryId}`];
    const event = sent.get(webhookId);
    const text = body.toString();
    if (!event) return text.includes('"event_type":"delivery.exhausted"') ? [] : [`I2: a request about ${webhookId}, which nobody published`];
    const intact = text.startsWith(`{"event_id":${JSON.stringify(webhookId)},"event_type":${JSON.stringify(event.eventType)},"timestamp":"`) && text.endsWith(`","data":${event.data},"metadata":${event.metadata}}`);
    return intact ? [] : [`I2: ${webhookId} arrived as ${text}`];
  });
}
