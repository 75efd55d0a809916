import { createSecureContext, type SecureContext } from 'node:tls';
import type { Agent } from 'undici';
import type { Exchange } from './dispatcher.js';

/** What a connection shows and trusts, as PEM, where that is not the default. */
export interface TlsIdentity {
  /** Same id, same everything. */
  id: string;
  certificate?: string;
  key?: string;
  /** Authorities to trust instead of the public ones. */
  ca?: string;
  /** When the certificate expires, epoch milliseconds. */
  expiresAt?: number;
}

/** So many at once; one that was closed is made anew when it is needed. */
const LIMIT = 1_000;

/**
 * One agent, and so one pool of connections and TLS sessions, per identity: a connection made for one must never carry another's
 * request. The least recently used is closed when there are too many.
 */
export class TlsAgents {
  private readonly agents = new Map<string, TlsAgent>();

  constructor(private readonly makeAgent: (secureContext: SecureContext) => Agent) {}

  /** Throws on material that OpenSSL refuses. */
  of(identity: TlsIdentity): TlsAgent {
    const { id, certificate: cert, key, ca } = identity;
    const found = this.agents.get(id) ?? new TlsAgent(this.makeAgent(createSecureContext({ cert, key, ca })), identity);
    this.agents.delete(id);
    this.agents.set(id, found);
    if (this.agents.size > LIMIT) this.forget(this.agents.keys().next().value!);
    return found;
  }

  /** Closes an identity's connections as soon as what runs over them has ended. */
  forget(id: string): void {
    void this.agents.get(id)?.agent.close().catch(() => {});
    this.agents.delete(id);
  }

  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map(({ agent }) => agent.destroy()));
    this.agents.clear();
  }
}

class TlsAgent {
  /** Whether anything was ever answered to this identity. */
  private accepted = false;

  constructor(readonly agent: Agent, private readonly identity: TlsIdentity) {}

  /**
   * Says more about a broken connection. With TLS 1.3 a receiver judges the client certificate after the client is done with the
   * handshake, and many just close the connection then, which looks like a reset.
   */
  explain(exchange: Exchange, now = Date.now()): Exchange {
    if (exchange.status !== undefined) this.accepted = true;
    const { certificate, expiresAt = Number.POSITIVE_INFINITY } = this.identity;
    if (!certificate || exchange.status !== undefined || !('errorClass' in exchange) || (exchange.errorClass !== 'reset' && exchange.errorClass !== 'tls')) return exchange;
    if (expiresAt <= now) return { ...exchange, errorClass: 'tls', error: `The client certificate expired on ${new Date(expiresAt).toISOString()}; set a new one. ${exchange.error}` };
    if (this.accepted || exchange.errorClass === 'tls') return exchange;
    return { ...exchange, errorClass: 'tls', error: `The receiver closed the connection after the TLS handshake, as one does that refuses the client certificate. ${exchange.error}` };
  }
}
