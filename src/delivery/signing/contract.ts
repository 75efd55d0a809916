import { createHmac, type KeyObject } from 'node:crypto';
import { type Fault, isObject, pointerTo } from '../../platform/index.js';
import { findNameFault } from '../webhooks/headers.js';

/** An older signature contract as it is stored and shown: how another sender's header came to be, so that its receivers need no change. */
export interface SignatureContract {
  /** The header's name. */
  header: string;
  /** The header's value; a part in square brackets repeats per live secret, newest first. */
  template: string;
  /** The text that is signed. */
  signed: string;
  algorithm: 'sha256' | 'sha1' | 'sha512';
  encoding: 'hex' | 'base64';
  /** Stands between repetitions of the part in brackets. */
  separator: string;
  /** What of the secret is the key: the bytes that follow `whsec_`, or all of it as text. */
  key: 'decoded' | 'text';
  /** Further headers of the contract, templates too. */
  headers: Record<string, string>;
}

/** What a message says of itself to a template. */
export interface SignedMessage {
  id: string;
  timestampMs: number;
  eventType: string;
  deliveryId: string;
}

type Part = string | { field: string };

/** A contract ready for use: templates taken apart, names settled. */
export interface CompiledContract {
  keyIsText: boolean;
  algorithm: string;
  encoding: 'hex' | 'base64';
  separator: string;
  header: string;
  /** Before, in and after the brackets. Without brackets `repeated` is absent. */
  before: Part[];
  repeated?: Part[];
  after: Part[];
  signed: Part[];
  headers: [name: string, value: Part[]][];
}

const FACTS = ['timestamp', 'timestamp_ms', 'id', 'event_type', 'delivery_id'];
/** Headers of ours that a contract may sign by `{header:…}`. What frames the message is only known once it is under way. */
const OURS = ['content-type', 'user-agent', 'webhook-id', 'webhook-timestamp', 'x-webhook-event', 'x-webhook-delivery'];
/** Headers of ours that a contract of the same name takes the place of. */
const REPLACEABLE = ['x-webhook-signature', 'x-webhook-event', 'x-webhook-delivery'];
const CHOICES = { algorithm: ['sha256', 'sha1', 'sha512'], encoding: ['hex', 'base64'], key: ['decoded', 'text'] };
const LENGTHS = { template: 512, signed: 1024, separator: 8 };
const MAX_HEADERS = 16;
const DEFAULTS = { signed: '{body}', algorithm: 'sha256', encoding: 'hex', separator: '', key: 'decoded', headers: {} };

/** Reads a contract from the wire; null is none. */
export function readContract(value: unknown): SignatureContract | null | Fault[] {
  if (value === undefined || value === null) return null;
  if (!isObject(value)) return [{ pointer: '/signature', detail: 'must be an object or null' }];
  const faults: Fault[] = [];
  const refuse = (name: string, detail: string | undefined): void => void (detail && faults.push({ pointer: pointerTo('/signature', name), detail }));
  for (const name of Object.keys(value)) if (!['header', 'template', ...Object.keys(DEFAULTS)].includes(name)) refuse(name, 'is not known here');
  const contract = { ...DEFAULTS, ...value } as unknown as SignatureContract;
  refuse('header', typeof contract.header === 'string' ? findContractNameFault(contract.header) : 'must be a header name');
  for (const [name, most] of Object.entries(LENGTHS) as [keyof typeof LENGTHS, number][]) refuse(name, findTextFault(contract[name], most));
  for (const [name, choices] of Object.entries(CHOICES) as [keyof typeof CHOICES, string[]][]) if (!choices.includes(contract[name])) refuse(name, `must be one of ${choices.join(', ')}`);
  if (!findTextFault(contract.template, LENGTHS.template)) refuse('template', findTemplateFault(contract.template));
  if (!findTextFault(contract.signed, LENGTHS.signed)) refuse('signed', findPartsFault(contract.signed, [...FACTS, 'body'], true) ?? (contract.signed.includes('{body}') ? undefined : 'must hold {body}: else anything could be sent under this signature'));
  if (!isObject(contract.headers)) refuse('headers', 'must be an object');
  else if (Object.keys(contract.headers).length > MAX_HEADERS) refuse('headers', `must hold at most ${MAX_HEADERS} headers`);
  else faults.push(...findHeadersFaults(contract.headers, String(contract.header)));
  return faults.length > 0 ? faults : contract;
}

/** The names of headers that other fields of a webhook set. */
export type NamesByField = Record<'headers' | 'secret_headers' | 'auth', string[]>;

/** What only shows beside the webhook's other headers: one that is set twice, or that is signed and not sent. Each pointer leads to one of the fields `given`. */
export function findClashes(contract: SignatureContract, others: NamesByField, given: string[]): Fault[] {
  const bySignature = given.includes('signature');
  const own = new Map([[contract.header, '/header'], ...Object.keys(contract.headers).map((name): [string, string] => [name, pointerTo('/headers', name)])].map(([name, place]) => [name!.toLowerCase(), place!]));
  const clashes = Object.entries(others).filter(([field]) => bySignature || given.includes(field)).flatMap(([field, names]) => names.filter((name) => own.has(name.toLowerCase())).map((name) => ({
    pointer: bySignature ? `/signature${own.get(name.toLowerCase())}` : field === 'auth' ? '/auth' : pointerTo(`/${field}`, name), detail: `is set both in \`${field}\` and by \`signature\``,
  })));
  if (!bySignature && !given.includes('headers')) return clashes;
  const sent = new Set([...OURS, ...others.headers.map((name) => name.toLowerCase()), ...Object.keys(contract.headers).map((name) => name.toLowerCase())]);
  const missing = partsOf(contract.signed).flatMap((part) => (typeof part === 'object' && part.field.startsWith('header:') && !sent.has(part.field.slice(7)) ? [part.field.slice(7)] : []));
  return [...clashes, ...missing.map((name) => ({ pointer: bySignature ? '/signature/signed' : '/headers', detail: `signs the header ${name}, which is not sent` }))];
}

/** Takes a contract's templates apart, once. */
export function compileContract({ template, ...contract }: SignatureContract): CompiledContract {
  const [, before, repeated, after] = /^([^[]*)(?:\[([^\]]*)\](.*))?$/.exec(template)!;
  return {
    keyIsText: contract.key === 'text', algorithm: contract.algorithm, encoding: contract.encoding, separator: contract.separator, header: nameToSend(contract.header),
    before: partsOf(before!), repeated: repeated === undefined ? undefined : partsOf(repeated), after: partsOf(after ?? ''),
    signed: partsOf(contract.signed), headers: Object.entries(contract.headers).map(([name, value]) => [nameToSend(name), partsOf(value)]),
  };
}

/**
 * The headers of a contract for one attempt. `sent` are the other headers of the message, `keys` those of the live secrets,
 * newest first. The body is signed as the bytes it is.
 */
export function contractHeaders(contract: CompiledContract, message: SignedMessage, body: Buffer, sent: Record<string, string>, keys: KeyObject[]): Record<string, string> {
  const facts: Record<string, string> = {
    timestamp: String(Math.floor(message.timestampMs / 1000)), timestamp_ms: String(message.timestampMs), id: message.id, event_type: message.eventType, delivery_id: message.deliveryId,
  };
  const fill = (parts: Part[], signature = ''): string => parts.map((part) => (typeof part === 'string' ? part : part.field === 'signature' ? signature : facts[part.field])).join('');
  const headers = Object.fromEntries(contract.headers.map(([name, value]) => [name, fill(value)]));
  const all = { ...sent, ...headers };
  const chunks = contract.signed.map((part) => {
    if (typeof part === 'string') return part;
    if (part.field === 'body') return body;
    return part.field.startsWith('header:') ? headerOf(all, part.field.slice(7)) : facts[part.field]!;
  });
  const signatures = (contract.repeated ? keys : keys.slice(0, 1)).map((key) => {
    const hmac = createHmac(contract.algorithm, key);
    for (const chunk of chunks) hmac.update(chunk);
    return hmac.digest(contract.encoding);
  });
  const repetitions = contract.repeated ? signatures.map((signature) => fill(contract.repeated!, signature)).join(contract.separator) : '';
  return { ...headers, [contract.header]: fill(contract.before, signatures[0]) + repetitions + fill(contract.after, signatures[0]) };
}

/** Header names match in any case, so one of ours that is replaced must be spelled as we spell it: an object would hold both. */
function nameToSend(name: string): string {
  return REPLACEABLE.includes(name.toLowerCase()) ? name.toLowerCase() : name;
}

/** Many an older contract's names begin with `x-webhook-`, so here they are free; those of Standard Webhooks stay ours. */
function findContractNameFault(name: string): string | undefined {
  return findNameFault(name.replace(/^x-webhook-(?=.)/i, 'x-'));
}

function findTextFault(text: unknown, most: number): string | undefined {
  if (typeof text !== 'string') return 'must be a string';
  if (text.length > most) return `must be at most ${most} characters`;
  return /^[\x20-\x7e]*$/.test(text) ? undefined : 'must be printable ASCII';
}

function findTemplateFault(template: string): string | undefined {
  const match = /^([^[\]]*)(?:\[([^[\]]*)\]([^[\]]*))?$/.exec(template);
  if (!match) return 'may hold one part in square brackets, and each bracket needs its other half';
  const fault = findPartsFault(template, [...FACTS, 'signature'], false);
  if (fault) return fault;
  if (match[2] !== undefined && !match[2].includes('{signature}')) return 'repeats the part in square brackets per secret, so that must hold {signature}';
  return template.includes('{signature}') ? undefined : 'must hold {signature}';
}

function findPartsFault(text: string, fields: string[], headersToo: boolean): string | undefined {
  const rest = text.replace(/\{[^{}]*\}/g, '');
  if (/[{}]/.test(rest)) return 'holds a brace without its other half';
  for (const part of partsOf(text)) {
    if (typeof part === 'string' || fields.includes(part.field)) continue;
    const known = [...fields.map((field) => `{${field}}`), ...(headersToo ? ['{header:<name>}'] : [])].join(' ');
    if (!headersToo || !/^header:./.test(part.field)) return `holds {${part.field}}, which is not one of ${known}`;
  }
  return undefined;
}

function findHeadersFaults(headers: Record<string, unknown>, signatureHeader: string): Fault[] {
  const seen = new Set([signatureHeader.toLowerCase()]);
  return Object.entries(headers).flatMap(([name, value]) => {
    const twice = seen.has(name.toLowerCase()) ? 'is given twice' : undefined;
    seen.add(name.toLowerCase());
    const detail = findContractNameFault(name) ?? twice ?? findTextFault(value, LENGTHS.template) ?? findPartsFault(value as string, FACTS, false);
    return detail ? [{ pointer: pointerTo('/signature/headers', name), detail }] : [];
  });
}

/** Literals and fields in turn. Names of headers in lower case. */
function partsOf(text: string): Part[] {
  return text.split(/(\{[^{}]*\})/).filter((part) => part !== '').map((part) => {
    const field = /^\{([^{}]*)\}$/.exec(part)?.[1];
    return field === undefined ? part : { field: field.startsWith('header:') ? field.toLowerCase() : field };
  });
}

function headerOf(headers: Record<string, string>, name: string): string {
  return headers[name] ?? Object.entries(headers).find(([known]) => known.toLowerCase() === name)?.[1] ?? '';
}
