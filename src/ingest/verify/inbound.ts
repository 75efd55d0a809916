import type { Inbound } from './verify.js';

/** A header that was sent with something in it. `name` in lower case. */
export function headerOf({ headers }: Inbound, name: string): string | undefined {
  // Names come from options too, and `constructor` is one like any other.
  return (Object.hasOwn(headers, name) && headers[name]) || undefined;
}

const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/** The fields of a body that is a form. */
export function formOf(inbound: Inbound): URLSearchParams | undefined {
  return FORM.test(headerOf(inbound, 'content-type') ?? '') ? new URLSearchParams(inbound.body.toString()) : undefined;
}
