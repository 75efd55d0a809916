import { lookup } from 'node:dns/promises';
import { AddressGuard, BlockedAddress } from './guard.js';

/**
 * Checks a URL that somebody asks us to send to, before it is stored. Answers what is wrong with it, or undefined.
 * A name that does not resolve right now passes: DNS may follow later, and the guard judges again at every connect.
 */
export async function findDestinationFault(url: string, guard: AddressGuard): Promise<string | undefined> {
  // A bare control character or space would be silently dropped by the parser.
  if (/[\x00-\x20\x7f]/.test(url)) return 'holds a space or control character';
  if (!URL.canParse(url)) return 'is not an absolute URL';
  const { protocol, username, password, hostname, hash } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') return 'must start with https:// or http://';
  if (username || password) return 'must not carry a user name or password; use headers';
  if (hash) return 'must not carry a fragment';
  if (hostname.endsWith('.')) return 'has a host that ends with a dot';
  try {
    guard.refuseLiteral(hostname);
    const timeout = new Promise<never[]>((resolve) => setTimeout(resolve, 2_000, []).unref());
    const addresses = await Promise.race([lookup(hostname.replace(/^\[|\]$/g, ''), { all: true }).catch(() => []), timeout]);
    for (const { address } of addresses) {
      const reason = guard.judge(address);
      if (reason) throw new BlockedAddress(`resolves to ${address}, a ${reason} address, which outgoing requests may not reach`);
    }
  } catch (error) {
    if (error instanceof BlockedAddress) return error.message;
    throw error;
  }
  return undefined;
}
