import { type Fault, isObject, MASK, pointerTo } from '../../platform/index.js';

/** What a bucket is reached with. */
export interface Credentials {
  access_key_id: string;
  secret_access_key: string;
  session_token?: string;
}

/** They go into headers. The id stands between slashes and commas there. */
const MEMBERS: Record<keyof Credentials, RegExp> = {
  access_key_id: /^[\w.:@+-]{3,128}$/,
  secret_access_key: /^[\x21-\x7e]{1,256}$/,
  session_token: /^[\x21-\x7e]{1,8192}$/,
};
const POINTER = '/credentials';

/** Reads credentials in which masks keep what is stored. Null and nothing: none. */
export function readCredentials(given: unknown, stored?: Credentials | null): Credentials | null | Fault[] {
  if (given === undefined || given === null) return null;
  if (!isObject(given)) return [{ pointer: POINTER, detail: 'must be an object with `access_key_id` and `secret_access_key`, or null' }];
  const faults = Object.keys(given).filter((name) => !Object.hasOwn(MEMBERS, name)).map((name) => ({ pointer: pointerTo(POINTER, name), detail: 'is not known here' }));
  const read: Partial<Credentials> = {};
  for (const [name, rule] of Object.entries(MEMBERS) as [keyof Credentials, RegExp][]) {
    const value = given[name];
    const pointer = pointerTo(POINTER, name);
    if (value === undefined && name === 'session_token') continue;
    else if (value === MASK && stored?.[name] === undefined) faults.push({ pointer, detail: 'is the mask of a secret, but none is stored' });
    else if (value === MASK) read[name] = stored![name];
    else if (typeof value !== 'string' || !rule.test(value)) faults.push({ pointer, detail: 'must be given, as text without spaces' });
    else read[name] = value;
  }
  if (faults.length === 0 && given.secret_access_key === MASK && read.access_key_id !== stored!.access_key_id) faults.push({ pointer: `${POINTER}/secret_access_key`, detail: 'must be given anew: it is that of another access_key_id' });
  return faults.length > 0 ? faults : (read as Credentials);
}

/** Whether anything of what is stored stays, by a mask or by being left out. */
export function keepsStored(given: unknown): boolean {
  return given === undefined || (isObject(given) && Object.values(given).includes(MASK));
}

/** Credentials as answers show them, fit to be sent back. */
export function maskedOf(credentials: Credentials): Credentials {
  return { access_key_id: MASK, secret_access_key: MASK, ...(credentials.session_token !== undefined && { session_token: MASK }) };
}

/** What answers show of the id of a key; of a short one nothing. */
export function hintOf({ access_key_id: id }: Credentials): string {
  return id.length >= 12 ? `…${id.slice(-4)}` : '…';
}
