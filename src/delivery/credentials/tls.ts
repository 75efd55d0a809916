import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type Fault, pointerTo, type TlsIdentity } from '../../platform/index.js';

/** What a webhook's connections show and trust, as PEM. Of a certificate chain the leaf comes first. */
export interface Tls {
  client_certificate?: string;
  client_key?: string;
  /** The authorities to trust, instead of the public ones. */
  ca_certificate?: string;
}

/** What to know of a stored certificate. */
export interface CertificateView {
  role: 'client' | 'ca';
  subject: string;
  /** SHA-256, in pairs of hex digits. */
  fingerprint: string;
  not_after: string;
}

const FIELDS = ['client_certificate', 'client_key', 'ca_certificate'];
const MAX_LENGTH = 64 * 1024;
const MAX_CERTIFICATES = 10;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Reads `tls` from the wire. Certificates are kept without what stood around them. `now` in epoch milliseconds. */
export function readTls(value: unknown, now: number): Tls | Fault[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [{ pointer: '/tls', detail: 'must be an object' }];
  const faults: Fault[] = Object.entries(value).flatMap(([name, text]) => {
    const pointer = pointerTo('/tls', name);
    if (!FIELDS.includes(name)) return [{ pointer, detail: 'is not known here' }];
    return typeof text === 'string' && text.length <= MAX_LENGTH ? [] : [{ pointer, detail: `must be PEM text of at most ${MAX_LENGTH} characters` }];
  });
  if (faults.length > 0) return faults;
  const { client_certificate, client_key, ca_certificate } = value as Tls;
  if (client_certificate !== undefined && client_key === undefined) faults.push({ pointer: '/tls/client_key', detail: 'is needed with client_certificate' });
  if (client_key !== undefined && client_certificate === undefined) faults.push({ pointer: '/tls/client_certificate', detail: 'is needed with client_key' });
  const chain = client_certificate === undefined ? [] : readCertificates(client_certificate, now);
  const authorities = ca_certificate === undefined ? [] : readCertificates(ca_certificate, now);
  const key = client_key === undefined ? undefined : readKey(client_key);
  const tell = (name: string, detail: string | undefined): void => void (detail !== undefined && faults.push({ pointer: `/tls/${name}`, detail }));
  tell('client_certificate', typeof chain === 'string' ? chain : chainFault(chain));
  tell('client_key', typeof key === 'string' ? key : typeof chain === 'object' && chain.length > 0 && key && !chain[0]!.checkPrivateKey(key) ? 'does not belong to client_certificate' : undefined);
  tell('ca_certificate', typeof authorities === 'string' ? authorities : authorityFault(authorities));
  if (faults.length > 0) return faults;
  const tls: Tls = {
    ...(client_certificate !== undefined && { client_certificate: pemOf(chain as X509Certificate[]), client_key }),
    ...(ca_certificate !== undefined && { ca_certificate: pemOf(authorities as X509Certificate[]) }),
  };
  try {
    createSecureContext({ cert: tls.client_certificate, key: tls.client_key, ca: tls.ca_certificate });
  } catch (error) {
    return [{ pointer: '/tls', detail: `cannot be used: ${(error as Error).message}` }];
  }
  return tls;
}

/** The certificates of a PEM text, or what is wrong with it. */
function readCertificates(text: string, now: number): X509Certificate[] | string {
  // Certificates are shown in answers, so a key that was pasted along must not become part of one.
  if (text.includes('PRIVATE KEY')) return 'holds a private key, which belongs in client_key';
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) return 'holds no PEM certificate (-----BEGIN CERTIFICATE-----)';
  if (blocks.length > MAX_CERTIFICATES) return `must hold at most ${MAX_CERTIFICATES} certificates`;
  const certificates: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    const which = blocks.length > 1 ? `certificate ${index + 1} ` : '';
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      return `${which}is not a readable certificate`;
    }
    const { validFromDate, validToDate } = certificates.at(-1)!;
    if (validToDate.getTime() <= now) return `${which}expired on ${validToDate.toISOString()}`;
    if (validFromDate.getTime() > now) return `${which}is not valid before ${validFromDate.toISOString()}`;
  }
  return certificates;
}

function chainFault(chain: X509Certificate[]): string | undefined {
  const broken = chain.findIndex((certificate, index) => index + 1 < chain.length && !certificate.checkIssued(chain[index + 1]!));
  return broken === -1 ? undefined : `certificate ${broken + 2} did not issue certificate ${broken + 1}; the client's own comes first, then each issuer`;
}

function authorityFault(authorities: X509Certificate[]): string | undefined {
  const other = authorities.findIndex(({ ca }) => !ca);
  return other === -1 ? undefined : `${authorities.length > 1 ? `certificate ${other + 1} ` : ''}is not that of an authority (its basic constraints lack CA:TRUE)`;
}

function readKey(text: string): KeyObject | string {
  if (/ENCRYPTED/.test(text)) return 'is encrypted; send it without a passphrase (openssl pkey -in client.key), it is sealed here';
  try {
    return createPrivateKey(text);
  } catch {
    return 'is not a PEM private key';
  }
}

function pemOf(certificates: X509Certificate[]): string {
  return certificates.map(String).join('');
}

/** What connections of a webhook use; undefined when that is nothing of its own. Two webhooks never share one, were it the same certificate. */
export function identityOf({ client_certificate, client_key, ca_certificate }: Tls, webhookId: string): TlsIdentity | undefined {
  if (client_certificate === undefined && ca_certificate === undefined) return undefined;
  return {
    id: createHash('sha256').update(JSON.stringify([webhookId, client_certificate, client_key, ca_certificate])).digest('base64url'),
    certificate: client_certificate, key: client_key, ca: ca_certificate,
    expiresAt: client_certificate === undefined ? undefined : new X509Certificate(client_certificate).validToDate.getTime(),
  };
}

export function viewCertificates({ client_certificate, ca_certificate }: Tls): CertificateView[] {
  const [leaf] = client_certificate?.match(CERTIFICATE) ?? [];
  const view = (role: CertificateView['role']) => (block: string): CertificateView => {
    const { subject, fingerprint256, validToDate } = new X509Certificate(block);
    return { role, subject: (subject ?? '').replaceAll('\n', ', '), fingerprint: fingerprint256, not_after: validToDate.toISOString() };
  };
  return [...(leaf ? [view('client')(leaf)] : []), ...(ca_certificate?.match(CERTIFICATE) ?? []).map(view('ca'))];
}
