import type { Exchange } from '../../platform/index.js';

const MASKED = '(a secret of the webhook)';

/** Shorter ones stand in too many answers by chance, and would say by their absence what they are. */
const SHORTEST = 6;

/** The forms in which a receiver may echo these values: as they are, and as JSON writes them. Longest first, for one may hold another. */
export function scrubbable(values: (string | undefined)[]): string[] {
  const forms = values.flatMap((value) => (value && value.length >= SHORTEST ? [value, JSON.stringify(value).slice(1, -1)] : []));
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}

/** `text` without secrets. `secrets` as from {@link scrubbable}. */
export function scrubText(text: string, secrets: string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, MASKED), text);
}

/** What came back, without secrets: a receiver that echoes requests must not carry them into the delivery log. */
export function scrub(exchange: Exchange, secrets: string[]): Exchange {
  const { headers, body } = exchange;
  const clean = (value: string | string[]) => (Array.isArray(value) ? value.map((one) => scrubText(one, secrets)) : scrubText(value, secrets));
  return {
    ...exchange,
    ...(headers && { headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, clean(value)])) }),
    ...(body !== undefined && { body: scrubText(body, secrets) }),
  };
}
