import { hash } from 'node:crypto';
import { parse, stringify } from 'node:querystring';
import { formOf, headerOf } from './inbound.js';
import { hmacOf, judge, malformed, MISMATCH, missing, someFits } from './judge.js';
import type { Verify } from './verify.js';

const MAX_FIELDS = 1_000;
/** Reading a form takes long: one of many fields must not hold up everybody before it is known to be genuine. */
const MAX_FORM_BYTES = 1024 * 1024;

/**
 * Base64 of HMAC-SHA1 over the URL and the fields of the form, sorted by name. Any other body is signed by its SHA-256 in the
 * URL, so without `bodySHA256` it is nobody's. No time is signed.
 */
export const verifyTwilio: Verify = (inbound, options) => {
  const signature = headerOf(inbound, 'x-twilio-signature');
  if (signature === undefined) return missing('x-twilio-signature');
  if (!URL.canParse(inbound.url)) return malformed('the URL of the request cannot be read');
  const url = new URL(inbound.url);
  const bodyHash = url.searchParams.get('bodySHA256');
  if (bodyHash === null && inbound.body.length > MAX_FORM_BYTES) return malformed('the form is larger than any of Twilio');
  const form = bodyHash === null ? formOf(inbound) : undefined;
  if (bodyHash === null && !form && inbound.body.length > 0) return { reason: 'missing', detail: 'the body is no form and the URL has no bodySHA256, so that nothing signs it' };
  if (bodyHash !== null && !someFits([bodyHash], [hash('sha256', inbound.body, 'hex')])) return { ...MISMATCH, detail: 'bodySHA256 is not that of the body' };
  if (form && form.size > MAX_FIELDS) return malformed(`the form has more than ${MAX_FIELDS} fields`);
  const fields = form ? fieldsOf(form) : '';
  const spellings = spellingsOf(inbound.url, url);
  return judge([signature], options.secrets.flatMap((secret) => spellings.map((spelling) => hmacOf('sha1', secret, 'base64', spelling, fields))), options);
};

/** Each name with its value, sorted; a field given several times holds a set of values. */
function fieldsOf(form: URLSearchParams): string {
  const fields = Map.groupBy(form, ([name]) => name);
  return [...fields.keys()].sort().flatMap((name) => [...new Set(fields.get(name)!.map(([, value]) => value))].sort().map((value) => name + value)).join('');
}

/** Twilio signs the URL with the port or without it, and with a query that it may have encoded anew. */
function spellingsOf(given: string, { protocol, username, password, hostname, port, pathname, search }: URL): string[] {
  const user = username || password ? `${username}${password && `:${password}`}@` : '';
  const hosts = [hostname, `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`];
  const queries = search ? [search, `?${stringify(parse(search.slice(1)))}`] : [''];
  return [...new Set([given, ...hosts.flatMap((host) => queries.map((query) => `${protocol}//${user}${host}${pathname}${query}`))])];
}
