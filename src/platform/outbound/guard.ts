import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** All that IANA has given out as global unicast; ipaddr.js calls unicast whatever its table does not name, `::7f00:1` for one. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

/** Metadata and credential services at addresses that a range alone would let through: Azure's, EC2's, EKS's and Google's. */
const METADATA = new Set(['168.63.129.16', 'fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254']);

/** A destination that outgoing requests may not reach. */
export class BlockedAddress extends Error {
  readonly code = 'BLOCKED_ADDRESS';
}

/**
 * The SSRF guard: which addresses outgoing requests may reach.
 *
 * Only global unicast addresses pass; loopback, private, link-local, carrier-grade NAT, metadata, multicast, reserved and
 * every IPv6 form that wraps an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) do not. The judgement falls on the
 * resolved address inside the connect's own lookup, so the address judged is the address connected to.
 */
export class AddressGuard {
  private readonly allowPrivate: boolean;
  private readonly allowed: Range[];

  /** `exception`: `true` for loopback and private ranges, or CIDR ranges separated by commas. Throws on a malformed range. */
  constructor(exception = '') {
    this.allowPrivate = exception === 'true';
    this.allowed = this.allowPrivate || exception === 'false' || exception === '' ? [] : exception.split(',').map((range) => ipaddr.parseCIDR(range.trim()));
  }

  /** Why the address is blocked, in words, or undefined when it may be reached. */
  judge(address: string): string | undefined {
    if (!ipaddr.isValid(address)) return 'not an IP address';
    // Unwraps ::ffff:a.b.c.d: it reaches the IPv4 address, so it is judged as one.
    const parsed = ipaddr.process(address);
    if (this.allowed.some(([network, bits]) => parsed.kind() === network.kind() && parsed.match(network as never, bits))) return undefined;
    if (METADATA.has(parsed.toString())) return 'metadata';
    const global = parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6);
    const range = parsed.range() === 'unicast' && !global ? 'reserved' : parsed.range();
    if (range === 'unicast') return undefined;
    if (this.allowPrivate && (range === 'loopback' || range === 'private' || range === 'uniqueLocal')) return undefined;
    return range.replace(/[A-Z0-9]+/g, (word) => ` ${word.toLowerCase()}`).trim();
  }

  /** Throws {@link BlockedAddress} when a host that is itself an address is blocked. Names are judged in {@link lookup}. */
  refuseLiteral(host: string): void {
    const address = host.replace(/^\[|\]$/g, '');
    if (isIP(address)) this.refuse(host, [{ address, family: isIP(address) }]);
  }

  /** A drop-in for `dns.lookup` that fails when any of the name's addresses is blocked. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    dnsLookup(host, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      try {
        this.refuse(host, addresses);
      } catch (blocked) {
        return callback(blocked as NodeJS.ErrnoException, []);
      }
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };

  private refuse(host: string, addresses: LookupAddress[]): void {
    for (const { address } of addresses) {
      const reason = this.judge(address);
      if (reason) throw new BlockedAddress(`${host} is ${address === host.replace(/^\[|\]$/g, '') ? '' : `${address}, `}a ${reason} address, which outgoing requests may not reach. OUTBOUND_ALLOW_PRIVATE names exceptions.`);
    }
  }
}
