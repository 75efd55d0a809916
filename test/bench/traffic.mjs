/**
 * Requests, written out whole: publishes, and what providers sign and post to the URLs of sources. All that can be done ahead is
 * done ahead, so that signing is not what is measured: GitHub's id stands in a header, so each of its bodies is signed once;
 * Stripe's in the body, so each request is signed on its own, before the load begins.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { linesText, makeBodies, stampOf } from './payload.mjs';

/** Of a provider's requests one in so many comes again, so many requests after the first; that was itself no repeat. */
export const REPEAT_EVERY = 20;
const REPEAT_AFTER = 1_001;
const VARIANTS = 30;
/** What is signed ahead is for this long, well within the tolerance for signed times, and for no more than a closed loop could send. */
const AHEAD_SECONDS = 60;
const CLOSED_LOOP_RATE = 20_000;

/**
 * @typedef {object} Request
 * @property {string} kind
 * @property {string} text
 * @property {string} key what it is found by in the log: see {@link LOG_KEYS}
 * @property {number} events
 * @property {boolean} [isRepeat]
 */

/** SQL that reads the key of an event. */
export const LOG_KEYS = {
  publish: "data ->> 'sent_at'",
  github: "metadata ->> 'provider_event_id'",
  stripe: "metadata ->> 'provider_event_id'",
};

/** How a load is made up: half publishes, half inbound. */
export const MIXED = ['publish', 'github', 'publish', 'stripe'];
export const INBOUND = ['github', 'stripe'];

/**
 * Requests in the order they are to be sent, the kinds in turn.
 * @param {import('./generator.mjs').Load} load
 * @returns {(epochMs: number) => Request} takes the scheduled time
 */
export function makeTraffic({ mix = ['publish'], ...load }) {
  const makers = Object.fromEntries([...new Set(mix)].map((kind) => [kind, KINDS[kind](load, mix.filter((other) => other === kind).length / mix.length)]));
  let index = 0;
  return (epochMs) => makers[mix[index++ % mix.length]](epochMs);
}

const KINDS = {
  publish({ port, key, body }) {
    const bodies = makeBodies(body);
    const head = headOf(port, '/v1/events', key ? [`authorization: Bearer ${key}`] : []);
    let index = 0;
    return (epochMs) => {
      const text = `${head}content-length: ${bodies.length(index)}\r\n\r\n${bodies.text(index, epochMs)}`;
      index++;
      return { kind: 'publish', text, key: stampOf(epochMs), events: body.perRequest };
    };
  },

  github({ port, inbound: { paths, secret, bytes } }) {
    const variants = Array.from({ length: VARIANTS }, (_, n) => {
      const body = githubBody(n + 1, bytes);
      const headers = ['user-agent: GitHub-Hookshot/bench', 'x-github-event: push', `x-hub-signature-256: sha256=${hmacOf(secret, body)}`, `content-length: ${body.length}`];
      return { head: `${headOf(port, paths.github, headers)}x-github-delivery: `, body };
    });
    return withRepeats((n) => {
      const key = randomUUID();
      const { head, body } = variants[n % VARIANTS];
      return { kind: 'github', text: `${head}${key}\r\n\r\n${body}`, key, events: 1 };
    });
  },

  stripe({ port, mode, rate = CLOSED_LOOP_RATE, seconds = AHEAD_SECONDS, inbound: { paths, secret, bytes } }, share) {
    const bodies = Array.from({ length: VARIANTS }, (_, n) => stripeBody(n + 1, bytes));
    const head = headOf(port, paths.stripe, ['user-agent: Stripe/1.0 (bench)']);
    const sign = (n) => {
      const id = `evt_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
      const time = Math.floor(Date.now() / 1000);
      return { id, time, signature: hmacOf(secret, `${time}.${bodies[n % VARIANTS](id)}`) };
    };
    const ahead = Array.from({ length: Math.ceil((mode === 'closed' ? CLOSED_LOOP_RATE : rate) * share * Math.min(seconds, AHEAD_SECONDS)) }, (_, n) => sign(n));
    return withRepeats((n) => {
      const { id, time, signature } = ahead[n] ?? sign(n);
      ahead[n] = undefined;
      const body = bodies[n % VARIANTS](id);
      return { kind: 'stripe', text: `${head}stripe-signature: t=${time},v1=${signature}\r\ncontent-length: ${body.length}\r\n\r\n${body}`, key: id, events: 1 };
    });
  },
};

function withRepeats(make) {
  const made = [];
  let count = 0;
  return () => {
    const n = count++;
    const slot = n % REPEAT_AFTER;
    const repeated = n % REPEAT_EVERY === REPEAT_EVERY - 1 && made[slot];
    return (made[slot] = repeated ? { ...repeated, isRepeat: true } : make(n));
  };
}

function headOf(port, path, headers) {
  return [`POST ${path} HTTP/1.1`, `host: 127.0.0.1:${port}`, 'content-type: application/json', ...headers, ''].join('\r\n');
}

const hmacOf = (secret, text) => createHmac('sha256', secret).update(text).digest('hex');

function githubBody(seed, bytes) {
  const commit = seed.toString(16).padStart(40, '0');
  const head = `{"ref":"refs/heads/main","before":"${'0'.repeat(40)}","after":"${commit}","repository":{"id":${seed},"full_name":"bench/repository-${seed}","private":true},"sender":{"login":"bench","id":1},"commits":`;
  return `${linesText(head, bytes, seed)}}`;
}

/** @returns {(id: string) => string} the body with an id of 28 characters */
function stripeBody(seed, bytes) {
  const head = `"object":"event","api_version":"2025-01-27","created":${Math.floor(Date.now() / 1000)},"type":"charge.succeeded","livemode":false,"data":{"object":{"id":"ch_${seed}","object":"charge","customer":"cus_${seed}","amount":${seed * 100},"currency":"usd","lines":`;
  const rest = `${linesText(head, bytes - 38, seed)}}}}`;
  return (id) => `{"id":"${id}",${rest}`;
}
