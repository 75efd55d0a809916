/**
 * The receiver of deliveries: bare node:http, as its own process. Each webhook gets its own port (an origin of its own, like
 * real customers), and a path `/<group>/<n>`; receipts are told apart by path and `webhook-id`, so that a double is not
 * mistaken for an event that is still missing.
 */
import { createServer } from 'node:http';
import { performance } from 'node:perf_hooks';
import { serveHelper } from './helper.mjs';
import { STAMP_KEY } from './payload.mjs';
import { p99BySlice, summarise } from './stats.mjs';

const SLICE_MS = 2_000;

const now = () => performance.timeOrigin + performance.now();
const ports = [];
const silentGroups = new Set();
const refusingGroups = new Set();
const held = new Set();
let received = fresh();

function fresh() {
  return { distinct: 0, doubles: 0, refused: 0, firstAt: 0, lastAt: 0, ids: new Set(), groups: new Map() };
}

function handle(request, response) {
  const group = request.url.slice(1, request.url.indexOf('/', 1));
  if (silentGroups.has(group)) {
    held.add(request.socket);
    request.socket.once('close', () => held.delete(request.socket));
    request.resume();
    return;
  }
  if (refusingGroups.has(group)) {
    received.refused++;
    request.resume();
    response.writeHead(500, { 'content-length': 0 });
    response.end();
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    record(group, `${request.url} ${request.headers['webhook-id']}`, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    response.writeHead(200, { 'content-length': 0 });
    response.end();
  });
}

function record(group, id, body) {
  const at = now();
  if (received.ids.has(id)) {
    received.doubles++;
    return;
  }
  received.ids.add(id);
  received.distinct++;
  received.firstAt ||= at;
  received.lastAt = at;
  let samples = received.groups.get(group);
  if (!samples) received.groups.set(group, (samples = []));
  const stamp = body.indexOf(STAMP_KEY);
  if (stamp < 0) return;
  const scheduled = Number(body.latin1Slice(stamp + STAMP_KEY.length, stamp + STAMP_KEY.length + 17));
  samples.push({ at: scheduled, latency: at - scheduled });
}

serveHelper({
  /** Opens ports until there are `count`, and answers them. */
  async listen(count) {
    while (ports.length < count) {
      const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0, headersTimeout: 0 }, handle);
      await new Promise((resolve) => server.listen(0, '127.0.0.1', 1024, () => resolve(undefined)));
      ports.push(server.address().port);
    }
    return ports.slice(0, count);
  },

  reset() {
    received = fresh();
  },

  /** From here on requests of this group are read and never answered. */
  silence(group) {
    silentGroups.add(group);
  },

  /** From here on requests of this group are answered with 500. */
  refuse(group) {
    refusingGroups.add(group);
  },

  /** Everybody answers again; whoever was kept waiting is cut off. */
  release() {
    silentGroups.clear();
    refusingGroups.clear();
    for (const socket of held) socket.destroy();
  },

  /** Resolves at `count` distinct receipts, of all or of one group, or when none has come for `stallMs`. */
  async wait(count, stallMs, group) {
    const distinct = () => (group ? (received.groups.get(group)?.length ?? 0) : received.distinct);
    let seen = distinct();
    let since = performance.now();
    while (distinct() < count && performance.now() - since < stallMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (distinct() === seen) continue;
      seen = distinct();
      since = performance.now();
    }
    return distinct();
  },

  /** Of each receipt of a group: when its event was scheduled, in epoch milliseconds, and how much later it came. */
  samples(group) {
    return received.groups.get(group) ?? [];
  },

  report() {
    const { distinct, doubles, refused, firstAt, lastAt, groups } = received;
    return { distinct, doubles, refused, firstAt, lastAt, groups: Object.fromEntries([...groups].map(([name, samples]) => [name, { ...summarise(samples.map(({ latency }) => latency)), slices: p99BySlice(samples, SLICE_MS) }])) };
  },
});
