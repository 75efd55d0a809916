import { validateHeaderName, validateHeaderValue } from 'node:http';
import { type Fault, pointerTo } from '../../platform/index.js';

const MAX_HEADERS = 32;
const MAX_VALUE = 4096;

/** Headers that frame the message, are hop-by-hop, or are ours to set. */
const RESERVED = /^(host|content-length|content-type|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|proxy-.*|user-agent|webhook-.*|x-webhook-.*)$/i;

/** Checks a webhook's static headers. Answers what is wrong, with a pointer to each. */
export function findHeaderFaults(headers: Record<string, unknown>, field = '/headers'): Fault[] {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) return [{ pointer: field, detail: `must hold at most ${MAX_HEADERS} headers` }];
  const seen = new Set<string>();
  return entries.flatMap(([name, value]) => {
    const fault = headerFault(name, value) ?? (seen.has(name.toLowerCase()) ? 'is given twice' : undefined);
    seen.add(name.toLowerCase());
    return fault ? [{ pointer: pointerTo(field, name), detail: fault }] : [];
  });
}

/** Why this cannot be the name of a header that the webhook's owner sets. */
export function findNameFault(name: string): string | undefined {
  try {
    validateHeaderName(name);
  } catch {
    return 'is not a valid header name';
  }
  return RESERVED.test(name) ? 'is set by Lakehook or by HTTP itself' : undefined;
}

function headerFault(name: string, value: unknown): string | undefined {
  const fault = findNameFault(name);
  if (fault) return fault;
  if (typeof value !== 'string') return 'must be a string';
  if (value.length > MAX_VALUE) return `must be at most ${MAX_VALUE} characters`;
  try {
    validateHeaderValue(name, value);
  } catch {
    return 'holds a character that is not allowed in a header value';
  }
  // validateHeaderValue lets Latin-1 through, which receivers decode in as many ways as there are frameworks.
  return /^[\t\x20-\x7e]*$/.test(value) ? undefined : 'must be printable ASCII';
}
