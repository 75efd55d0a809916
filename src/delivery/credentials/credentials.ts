import { type Fault, MASK, pointerTo, type Sealer, type Webhook } from '../../platform/index.js';
import { findHeaderFaults } from '../webhooks/headers.js';
import { isElsewhere, unmask } from '../webhooks/mask.js';
import { type Auth, AUTH_SECRETS, readAuth } from './auth.js';
import { type CertificateView, readTls, type Tls, viewCertificates } from './tls.js';

/** How a webhook shows its receiver who is calling. Sealed as one, in `webhooks.credentials`. */
export interface Credentials {
  secret_headers: Record<string, string>;
  auth: Auth;
  tls: Tls;
}

/** The fields of a webhook that have a say here, as given in a body or as stored. */
export interface Given {
  url?: string;
  headers?: Record<string, unknown>;
  secret_headers?: unknown;
  auth?: unknown;
  tls?: unknown;
}

export const NO_CREDENTIALS: Credentials = { secret_headers: {}, auth: { type: 'none' }, tls: {} };

const placeOf = (webhookId: string): string => `webhooks.credentials:${webhookId}`;

/** Throws when they do not open. */
export function openCredentials(sealer: Sealer, { webhookId, credentials }: Pick<Webhook, 'webhookId' | 'credentials'>): Credentials {
  return credentials ? (JSON.parse(sealer.open(credentials, placeOf(webhookId))) as Credentials) : NO_CREDENTIALS;
}

export function sealCredentials(sealer: Sealer, webhookId: string, credentials: Credentials): string | null {
  const text = JSON.stringify(credentials);
  return text === JSON.stringify(NO_CREDENTIALS) ? null : sealer.seal(text, placeOf(webhookId));
}

/** The credentials as answers show them: with the mask for every secret, and fit to be sent back. */
export function viewCredentials({ secret_headers, auth, tls }: Credentials): { secret_headers: Record<string, string>; auth: Auth; tls: Tls; tls_certificates: CertificateView[] } {
  const masked = Object.entries(auth).map(([name, value]) => [name, AUTH_SECRETS.has(name) ? MASK : value]);
  return {
    secret_headers: Object.fromEntries(Object.keys(secret_headers).map((name) => [name, MASK])),
    auth: Object.fromEntries(masked) as Auth,
    tls: { ...tls, ...(tls.client_key !== undefined && { client_key: MASK }) },
    tls_certificates: viewCertificates(tls),
  };
}

/**
 * What is stored once `given` is applied: fields that are absent stay, masks keep the secret behind them. Only what is given is
 * checked, so that a certificate which has expired since does not stand in the way of a new description; but the whole must fit
 * together. `now` in epoch milliseconds.
 */
export function readCredentials(given: Given, stored: { url?: string; headers: Record<string, unknown>; credentials: Credentials }, now: number): Credentials | Fault[] {
  const faults: Fault[] = [];
  const read = <Part>(name: keyof Credentials, check: (value: unknown) => Part | Fault[]): Part => {
    if (given[name] === undefined) return stored.credentials[name] as Part;
    const { value, faults: unkept } = unmask(given[name], stored.credentials[name], `/${name}`);
    const part = unkept.length > 0 ? unkept : check(value);
    if (!Array.isArray(part)) return part;
    faults.push(...(part as Fault[]));
    return NO_CREDENTIALS[name] as Part;
  };
  const credentials: Credentials = {
    secret_headers: read('secret_headers', readSecretHeaders),
    auth: read('auth', readAuth),
    tls: read('tls', (value) => readTls(value, now)),
  };
  if (faults.length === 0) faults.push(...findMisfits(given, given.headers ?? stored.headers, given.url ?? stored.url, credentials), ...findCarried(given, stored.url, stored.credentials, credentials.auth));
  return faults.length > 0 ? faults : credentials;
}

function readSecretHeaders(value: unknown): Record<string, string> | Fault[] {
  const faults = findHeaderFaults(value as Record<string, unknown>, '/secret_headers');
  return faults.length > 0 ? faults : (value as Record<string, string>);
}

/** Stored secrets that would be sent to another origin than they were given for: who may point a webhook elsewhere may not thereby read them. */
function findCarried(given: Given, url: string | undefined, stored: Credentials, auth: Auth): Fault[] {
  const faults: Fault[] = [];
  if (isElsewhere(url, given.url)) {
    for (const field of ['secret_headers', 'auth'] as const) {
      const kept = given[field] === undefined ? (field === 'auth' ? stored.auth.type !== 'none' : Object.keys(stored.secret_headers).length > 0) : Object.values(given[field] ?? {}).includes(MASK);
      if (kept) faults.push({ pointer: given[field] === undefined ? '/url' : `/${field}`, detail: `the url leads to another origin, so \`${field}\` must be given anew, with secrets instead of masks` });
    }
  }
  const masked = (given.auth as { client_secret?: unknown } | undefined)?.client_secret === MASK;
  if (masked && auth.type === 'oauth2' && stored.auth.type === 'oauth2' && isElsewhere(stored.auth.token_url, auth.token_url)) {
    faults.push({ pointer: '/auth/client_secret', detail: 'must be given anew, because token_url leads to another origin' });
  }
  return faults;
}

/** What is right in itself and wrong together. Each pointer leads to a field that the caller has given. */
function findMisfits(given: Given, headers: Record<string, unknown>, url: string | undefined, { secret_headers, auth, tls }: Credentials): Fault[] {
  const faults: Fault[] = [];
  for (const name of Object.keys(secret_headers)) {
    const double = Object.keys(headers).find((other) => other.toLowerCase() === name.toLowerCase());
    if (double === undefined) continue;
    if (given.secret_headers !== undefined) faults.push({ pointer: pointerTo('/secret_headers', name), detail: 'is among headers too' });
    else if (given.headers !== undefined) faults.push({ pointer: pointerTo('/headers', double), detail: 'is among secret_headers too' });
  }
  if (auth.type !== 'none') {
    const detail = `conflicts with auth of type ${auth.type}, which sets it`;
    const found = (['headers', 'secret_headers'] as const).flatMap((field) => Object.keys(field === 'headers' ? headers : secret_headers).filter((name) => name.toLowerCase() === 'authorization').map((name) => ({ field, name })));
    for (const { field, name } of found) {
      if (given[field] !== undefined) faults.push({ pointer: pointerTo(`/${field}`, name), detail });
      else if (given.auth !== undefined) faults.push({ pointer: '/auth', detail: `conflicts with ${name} among ${field}` });
    }
  }
  if (Object.keys(tls).length > 0 && url !== undefined && !/^https:/i.test(url)) {
    if (given.tls !== undefined) faults.push({ pointer: '/tls', detail: 'needs a url that starts with https://' });
    else if (given.url !== undefined) faults.push({ pointer: '/url', detail: 'must start with https://, because the webhook has tls' });
  }
  return faults;
}
