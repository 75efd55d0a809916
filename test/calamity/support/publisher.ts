import { ADMIN_KEY } from '../../support/house.js';
import { exchange, type Outcome } from './exchange.js';

/** The publisher's own record of an event. `data` is unique and so identifies it, whatever id it was given. */
export interface Published {
  eventId?: string;
  eventType: string;
  data: string;
  metadata: string;
  idempotencyKey?: string;
  /** Published without an id. */
  unnamed?: boolean;
  /** The whole request body, where it is not made of the rest. */
  bytes?: Buffer;
  /** Nobody has to take it: 4xx is an honest answer, and then it may not be stored. */
  refusable?: boolean;
  outcomes: Outcome[];
}

let made = 0;

/** Publishes over plain HTTP, a connection per request, and remembers what it sent and what it was told. */
export class Publisher {
  readonly published: Published[] = [];
  private sent = 0;

  constructor(private readonly urls: () => string[]) {}

  /** Notes down an event, to be sent. It has an id of the publisher's choice unless it has an idempotency key or is `unnamed`. */
  make(eventType: string, more: Partial<Pick<Published, 'idempotencyKey' | 'unnamed' | 'data' | 'bytes' | 'refusable'>> = {}): Published {
    const n = ++made;
    // White space, digits and escapes that a careless round trip through JSON.parse would change.
    const data = `{ "n":${n},  "run":"${process.pid}", "amount":143227.763678187615017991050, "name":"Zo\\u00eb ☃", "z":1e2,"a":[1, 2.0] }`;
    const event: Published = { eventId: more.idempotencyKey || more.unnamed ? undefined : `calamity-${process.pid}-${n}`, eventType, data, metadata: `{"n" : ${n}}`, outcomes: [], ...more };
    this.published.push(event);
    return event;
  }

  /** One try. */
  async send(event: Published): Promise<Outcome> {
    const urls = this.urls();
    const id = event.idempotencyKey || event.unnamed ? '' : `"event_id":${JSON.stringify(event.eventId)},`;
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json', ...(event.idempotencyKey && { 'idempotency-key': event.idempotencyKey }) };
    const outcome = await exchange(`${urls[this.sent++ % urls.length]}/v1/events`, headers, event.bytes ?? `{${id}"event_type":${JSON.stringify(event.eventType)},"data":${event.data},"metadata":${event.metadata}}`);
    event.outcomes.push(outcome);
    if (outcome.kind === 'acknowledged') event.eventId ??= outcome.eventId;
    return outcome;
  }

  /** Tries until it is told that the event is stored, as a careful publisher does. */
  async insist(event: Published, withinMs = 60_000): Promise<Outcome & { kind: 'acknowledged' }> {
    for (const deadline = Date.now() + withinMs; ; ) {
      const outcome = await this.send(event);
      if (outcome.kind === 'acknowledged') return outcome;
      if (Date.now() > deadline) throw new Error(`Not acknowledged within ${withinMs / 1000} s: ${JSON.stringify(event.outcomes.slice(-3))}`);
      await new Promise((wake) => setTimeout(wake, 250));
    }
  }

  /**
   * Publishes at a fixed rate, whatever the server does, until `stop` is called; `stop` resolves when every request has
   * ended. Every second event is insisted on; the others are given up after one try, so that nobody knows their fate.
   */
  steadily(perSecond: number, typeOf: (n: number) => string): { stop(): Promise<void> } {
    const underWay = new Set<Promise<unknown>>();
    const failures: unknown[] = [];
    const started = performance.now();
    let count = 0;
    const tick = setInterval(() => {
      for (const due = ((performance.now() - started) / 1000) * perSecond; count < due; count++) {
        const event = this.make(typeOf(count));
        const work = (count % 2 === 0 ? this.insist(event) : this.send(event)).catch((error: unknown) => failures.push(error)).finally(() => underWay.delete(work));
        underWay.add(work);
      }
    }, 20);
    return {
      async stop() {
        clearInterval(tick);
        await Promise.all(underWay);
        if (failures.length > 0) throw failures[0];
      },
    };
  }
}
