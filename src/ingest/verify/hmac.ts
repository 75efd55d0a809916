import { type Fault, readTime } from '../../platform/index.js';
import { headerOf } from './inbound.js';
import { hmacOf, judge, malformed, missing, secondsOf } from './judge.js';
import type { Inbound, Verify } from './verify.js';

const UNITS: Record<string, (text: string) => number | undefined> = {
  seconds: secondsOf,
  milliseconds: (text) => (/^\d{1,14}$/.test(text) ? Number(text) : undefined),
  rfc3339: readTime,
};
export const HMAC_CHOICES = { algorithm: ['sha256', 'sha1', 'sha512'], encoding: ['hex', 'base64', 'base64url'], timestamp_unit: Object.keys(UNITS) };
const DEFAULTS = { algorithm: 'sha256', encoding: 'hex', prefix: '', signed: '{body}', timestamp_unit: 'seconds' } as const;
const FIELDS = ['body', 'timestamp', 'id', 'url'];
const FIELD = /(\{[^{}]*\})/;

/** The options of an HMAC that the source describes itself. */
interface HmacOptions {
  /** Holds the signature. */
  header: string;
  algorithm: string;
  encoding: 'hex' | 'base64' | 'base64url';
  /** Stands before the signature in the header. */
  prefix: string;
  /** The text that is signed: `{body}`, `{timestamp}`, `{id}`, `{url}`, `{header:<name>}` and what stands between. */
  signed: string;
  timestamp_header?: string;
  timestamp_unit: string;
  id_header?: string;
}

/** An HMAC as the source's options describe it. */
export const verifyHmac: Verify = (inbound, options) => {
  const scheme: HmacOptions = { ...DEFAULTS, ...(options.options as Partial<HmacOptions> & Pick<HmacOptions, 'header'>) };
  const signature = headerOf(inbound, scheme.header.toLowerCase());
  if (signature === undefined) return missing(scheme.header);
  const parts = partsOf(scheme.signed);
  const needed = [scheme.timestamp_header, ...parts.map((part) => headerNamed(part, scheme))];
  const absent = needed.find((name) => name !== undefined && headerOf(inbound, name.toLowerCase()) === undefined);
  if (absent !== undefined) return missing(absent);
  const time = scheme.timestamp_header && headerOf(inbound, scheme.timestamp_header.toLowerCase());
  const signedAt = time === undefined ? undefined : UNITS[scheme.timestamp_unit]!(time);
  if (time !== undefined && signedAt === undefined) return malformed(`${scheme.timestamp_header} is not in ${scheme.timestamp_unit}`);
  if (!signature.startsWith(scheme.prefix)) return malformed(`${scheme.header} does not begin with ${scheme.prefix}`);
  // Padding is left out of base64url by some and sent by others.
  const given = scheme.encoding === 'base64url' ? signature.replace(/={1,2}$/, '') : signature;
  const signed = parts.map((part) => textOf(part, inbound, scheme));
  return judge([given.slice(scheme.prefix.length)], options.secrets.map((secret) => hmacOf(scheme.algorithm, secret, scheme.encoding, ...signed)), options, signedAt);
};

/** What is wrong between options that are right one by one. */
export function findSignedFaults(options: Record<string, unknown>): Fault[] {
  const { signed, timestamp_header, id_header } = { ...DEFAULTS, timestamp_header: undefined, id_header: undefined, ...options };
  const faults: Fault[] = [];
  if (!String(signed).includes('{body}')) faults.push({ pointer: '/signed', detail: 'must hold {body}: else anything could be sent under this signature' });
  if (String(signed).includes('{timestamp}') && timestamp_header === undefined) faults.push({ pointer: '/timestamp_header', detail: 'is needed, since `signed` holds {timestamp}' });
  if (String(signed).includes('{id}') && id_header === undefined) faults.push({ pointer: '/id_header', detail: 'is needed, since `signed` holds {id}' });
  if (timestamp_header !== undefined && !String(signed).includes('{timestamp}')) faults.push({ pointer: '/timestamp_header', detail: 'is not signed, so it proves nothing: `signed` must hold {timestamp}' });
  return faults;
}

/** What is wrong with a template of the signed text. */
export function findTemplateFault(template: string): string | undefined {
  for (const part of partsOf(template)) {
    if (!FIELD.test(part)) {
      if (/[{}]/.test(part)) return 'holds a brace without its other half';
    } else if (!FIELDS.includes(part.slice(1, -1)) && !/^\{header:[!#$%&'*+.^_`|~\w-]+\}$/.test(part)) {
      return `holds ${part}, which is not one of ${FIELDS.map((field) => `{${field}}`).join(' ')} {header:<name>}`;
    }
  }
  return undefined;
}

/** Literals and fields in turn. */
function partsOf(template: string): string[] {
  return template.split(FIELD).filter((part) => part !== '');
}

/** The header that a part of the template stands for. */
function headerNamed(part: string, { timestamp_header, id_header }: HmacOptions): string | undefined {
  if (part === '{timestamp}') return timestamp_header;
  if (part === '{id}') return id_header;
  return part.startsWith('{header:') ? part.slice(8, -1) : undefined;
}

function textOf(part: string, inbound: Inbound, scheme: HmacOptions): string | Buffer {
  if (part === '{body}') return inbound.body;
  if (part === '{url}') return inbound.url;
  const header = headerNamed(part, scheme);
  return header === undefined ? part : headerOf(inbound, header.toLowerCase())!;
}
