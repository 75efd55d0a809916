import { createHmac } from 'node:crypto';
import type { Agent } from 'node:http';
import { exchange, type Outcome } from './exchange.js';

/** The kinds that differ in what counts here: the id in an unsigned header, in the body, in a signed header, and none. */
export type Kind = 'github' | 'stripe' | 'standard_webhooks' | 'none';

export const SECRETS: Record<Kind, string[]> = { github: ['a secret of the calamities'], stripe: ['whsec_of_the_calamities'], standard_webhooks: [`whsec_${Buffer.alloc(24, 'calamity').toString('base64')}`], none: [] };

/** Something that a provider has to tell, and how each of its tries to do so ended. */
export interface Notice {
  sourceId: string;
  /** What the provider calls it; absent where requests carry no id. */
  providerEventId?: string;
  body: Buffer;
  /** Nobody has to take it: 4xx is an honest answer, and then it may not be stored. */
  refusable?: boolean;
  outcomes: Outcome[];
}

const mac = (key: string | Buffer, encoding: 'hex' | 'base64', ...parts: (string | Buffer)[]): string => parts.reduce((hmac, part) => hmac.update(part), createHmac('sha256', key)).digest(encoding);

/** Signed as the documentation of each provider says. */
const HEADERS: Record<Kind, (id: string, body: Buffer, seconds: string) => Record<string, string>> = {
  github: (id, body) => ({ 'x-github-event': 'calamity.happened', 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${mac(SECRETS.github[0]!, 'hex', body)}` }),
  stripe: (_, body, seconds) => ({ 'stripe-signature': `t=${seconds},v1=${mac(SECRETS.stripe[0]!, 'hex', `${seconds}.`, body)}` }),
  standard_webhooks: (id, body, seconds) => ({ 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${mac(Buffer.from(SECRETS.standard_webhooks[0]!.slice(6), 'base64'), 'base64', `${id}.${seconds}.`, body)}` }),
  none: () => ({}),
};

let made = 0;

/** A provider that posts to a source, and remembers what it sent and what it was told. */
export class Provider {
  readonly notices: Notice[] = [];
  private sent = 0;

  constructor(readonly kind: Kind, readonly sourceId: string, readonly path: string, private readonly urls: () => string[], private readonly now: () => number = Date.now) {}

  /** Notes something down, to be told. The id of another notice makes it one that contradicts that one. */
  make({ id = `evt-${process.pid}-${++made}`, body, ...more }: { id?: string; body?: Buffer; refusable?: boolean } = {}): Notice {
    const n = ++made;
    // White space, digits and escapes that a careless round trip through JSON.parse would change.
    const text = `{ "id":${JSON.stringify(id)},  "type":"calamity.happened", "n":${n},"amount":143227.763678187615017991050, "name":"Zo\\u00eb ☃", "z":1e2 }\n`;
    const notice: Notice = { sourceId: this.sourceId, ...(this.kind !== 'none' && { providerEventId: id }), body: body ?? Buffer.from(text), outcomes: [], ...more };
    this.notices.push(notice);
    return notice;
  }

  /** The headers that go with a notice when it is told now. */
  headers({ providerEventId = '', body }: Notice): Record<string, string> {
    return { 'content-type': 'application/json', ...HEADERS[this.kind](providerEventId, body, String(Math.floor(this.now() / 1_000))) };
  }

  /** One try. */
  async send(notice: Notice, { agent, url }: { agent?: Agent; url?: string } = {}): Promise<Outcome> {
    const urls = this.urls();
    const outcome = await exchange(`${url ?? urls[this.sent++ % urls.length]}${this.path}`, this.headers(notice), notice.body, agent);
    notice.outcomes.push(outcome);
    return outcome;
  }

  /** Tries until it is told that the notice is kept, as providers do. */
  async insist(notice: Notice, withinMs = 60_000): Promise<Outcome & { kind: 'acknowledged' }> {
    for (const deadline = Date.now() + withinMs; ; ) {
      const outcome = await this.send(notice);
      if (outcome.kind === 'acknowledged') return outcome;
      if (Date.now() > deadline) throw new Error(`Not acknowledged within ${withinMs / 1000} s: ${JSON.stringify(notice.outcomes.slice(-3))}`);
      await new Promise((wake) => setTimeout(wake, 250));
    }
  }
}
