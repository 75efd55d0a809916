/** The events that are published: plausible JSON of a given size, varied so that nothing along the way can cheat on equal bytes. */

/** Where a scheduled time goes, at fixed width so that the length of a body is known before its time is. */
const SLOT = '#'.repeat(17);
const WORDS = ['invoice', 'usage', 'region', 'compute', 'storage', 'transfer', 'anomaly', 'ledger', 'tenant', 'quota', 'hourly', 'reserved'];

/** Epoch milliseconds as they stand in a body; good until the year 2286. */
export const stampOf = (epochMs) => epochMs.toFixed(3);

/** Member of `data` that carries the scheduled time. */
export const STAMP_KEY = '"sent_at":';

/** Text that goes on with a list of lines, and an object's last member that fills it up to about `bytes`: its end is the caller's. */
export function linesText(head, bytes, seed) {
  const lines = [];
  let text = '';
  for (let i = 0; text.length < bytes - 60; i++) {
    const n = (seed * 7919 + i * 104729) % 1_000_003;
    lines.push({ sku: `${WORDS[n % 12]}-${WORDS[(n >> 4) % 12]}-${n}`, amount: n / 100, unit: WORDS[(n >> 8) % 12], ok: n % 3 === 0 });
    text = head + JSON.stringify(lines);
  }
  return `${text},"pad":"${'x'.repeat(Math.max(0, bytes - text.length - 9))}"`;
}

const dataText = (bytes, seed) => `${linesText(`{${STAMP_KEY}${SLOT},"order":"${seed}","lines":`, bytes, seed)}}`;

/** One event as a publisher sends it; the stamp is still a slot. */
function eventText(eventType, bytes, seed, metadata) {
  return `{"event_type":${JSON.stringify(eventType)},"data":${dataText(bytes, seed)}${metadata ? `,"metadata":${JSON.stringify(metadata)}` : ''}}`;
}

/**
 * Bodies for POST /v1/events, to be used in turn. With `perRequest` > 1 each is a batch.
 * @param {{eventTypes: string[], bytes: number, perRequest: number, variants?: number, metadata?: object}} plan
 * @returns {{text(index: number, epochMs: number): string, length(index: number): number}}
 */
export function makeBodies({ eventTypes, bytes, perRequest, variants = perRequest > 1 ? 4 : 30, metadata }) {
  const count = Math.ceil(variants / eventTypes.length) * eventTypes.length;
  const bodies = Array.from({ length: count }, (_, i) => {
    const events = Array.from({ length: perRequest }, (_, j) => eventText(eventTypes[i % eventTypes.length], bytes, i * perRequest + j + 1, metadata));
    const whole = perRequest > 1 ? `{"events":[${events.join(',')}]}` : events[0];
    return { parts: whole.split(SLOT), length: whole.length };
  });
  return {
    text: (index, epochMs) => bodies[index % count].parts.join(stampOf(epochMs)),
    length: (index) => bodies[index % count].length,
  };
}
