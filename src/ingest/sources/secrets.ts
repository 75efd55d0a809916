import { type Fault, isObject, MASK, pointerTo, readTime } from '../../platform/index.js';
import type { Provider } from '../providers/provider.js';

/** A secret as a source is to have it: a new one, or a stored one that stays. */
export interface WantedSecret {
  secret?: string;
  secretId?: string;
  expiresAt: Date | null;
}

export const MAX_SECRETS = 10;
const MAX_LENGTH = 1_024;
/** As answers show them, so that a source that was read can be written again. */
const MEMBERS = new Set(['secret', 'secret_id', 'expires_at', 'hint', 'created_at']);

/**
 * Reads the `secrets` of a source: each a text, or `{secret, expires_at?}`, in which a mask with a `secret_id` keeps what is
 * stored. `storedIds` are the secrets there are.
 */
export function readSecrets(given: unknown[], storedIds: ReadonlySet<string>, provider: Provider, now: number): WantedSecret[] | Fault[] {
  if (given.length > MAX_SECRETS) return [{ pointer: '/secrets', detail: `must hold at most ${MAX_SECRETS}` }];
  const faults: Fault[] = [];
  const kept = new Set<string>();
  const wanted = given.map((entry, index): WantedSecret => {
    const pointer = `/secrets/${index}`;
    const fault = (name: string, detail: string): void => void faults.push({ pointer: typeof entry === 'string' ? pointer : pointerTo(pointer, name), detail });
    if (typeof entry !== 'string' && !isObject(entry)) {
      faults.push({ pointer, detail: 'must be a text, or an object with `secret` and perhaps `expires_at`' });
      return { expiresAt: null };
    }
    const { secret, secret_id, expires_at } = typeof entry === 'string' ? { secret: entry, secret_id: undefined, expires_at: undefined } : entry;
    if (isObject(entry)) for (const name of Object.keys(entry)) if (!MEMBERS.has(name)) fault(name, 'is not known here');
    const expiresAt = expires_at === undefined || expires_at === null ? null : readTime(expires_at);
    if (expiresAt === undefined) fault('expires_at', 'must be an RFC 3339 time with a zone, such as 2026-01-31T12:00:00Z');
    else if (expiresAt !== null && expiresAt <= now && secret !== MASK) fault('expires_at', 'must lie in the future');
    const expires = typeof expiresAt === 'number' ? new Date(expiresAt) : null;
    if (secret === MASK) {
      if (typeof secret_id !== 'string' || !storedIds.has(secret_id)) fault('secret', 'is the mask of a secret; `secret_id` must say which of the stored ones it stands for');
      else if (kept.has(secret_id)) fault('secret_id', 'is there already');
      else kept.add(secret_id);
      return { secretId: String(secret_id), expiresAt: expires };
    }
    const detail = findSecretFault(secret, provider);
    if (detail) fault('secret', detail);
    return { secret: secret as string, expiresAt: expires };
  });
  return faults.length > 0 ? faults : wanted;
}

/** What is wrong with a secret of a provider, in words. */
export function findSecretFault(secret: unknown, provider: Provider): string | undefined {
  if (typeof secret !== 'string' || secret.length === 0 || secret.length > MAX_LENGTH) return `must be a text of 1 to ${MAX_LENGTH} characters`;
  return provider.findSecretFault?.(secret);
}

/** What answers show of a secret; of a short one nothing. */
export function hintOf(secret: string): string {
  return secret.length >= 12 ? `…${secret.slice(-4)}` : '…';
}
