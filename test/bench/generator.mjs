/**
 * The load generator, as its own process.
 *
 * `open`: arrivals follow a fixed schedule whatever the server does, and latency counts from the scheduled time, so that a
 * stall is felt by everybody who would have come during it (no coordinated omission). `closed`: every connection sends as
 * soon as it is answered; that finds the capacity, and its latencies are only those of the queue it makes itself.
 *
 * A load ends after its `seconds`, after its `requests`, or when `end` is called, whichever is first.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { serveHelper } from './helper.mjs';
import { summarise } from './stats.mjs';
import { makeTraffic } from './traffic.mjs';
import { Connection } from './wire.mjs';

/** How long answers may still come after the schedule has ended. */
const GRACE_MS = 15_000;

/**
 * @typedef {object} Load
 * @property {number} port
 * @property {string} [key] bearer token
 * @property {'open'|'closed'} mode
 * @property {number} [rate] requests per second, open only
 * @property {number} [seconds]
 * @property {number} [requests] how many to send at most
 * @property {boolean} [samples] answer each latency, too, with the time it was scheduled for
 * @property {number} connections
 * @property {string[]} [mix] the kinds of requests, in turn: `publish` and providers; publishes unless said
 * @property {{eventTypes: string[], bytes: number, perRequest: number}} [body] of publishes
 * @property {{paths: Record<string, string>, secret: string, bytes: number}} [inbound] of providers
 * @property {boolean} [keys] answer by which keys what was acknowledged is found in the log, by kind
 */
class Run {
  samples = [];
  ended = false;
  accepted = 0;
  /** Of what was accepted: what was sent as a repeat, and what was answered as one. */
  repeats = 0;
  duplicates = 0;
  keys = {};
  failures = {};
  lastAnswer = 0;
  #sent = 0;
  #flying = new Map();
  #idle = [];
  #all = [];

  /** @param {Load} load */
  constructor(load) {
    this.load = load;
    this.next = makeTraffic(load);
  }

  async connect() {
    this.#all = await Promise.all(Array.from({ length: this.load.connections }, () => Connection.open(this.load.port)));
    this.#idle = [...this.#all];
  }

  close() {
    for (const connection of this.#all) connection.close();
  }

  async closed() {
    const { seconds = Number.POSITIVE_INFINITY, requests = Number.POSITIVE_INFINITY } = this.load;
    this.start = performance.now();
    const end = this.start + seconds * 1000;
    const goesOn = () => performance.now() < end && this.#sent < requests && !this.ended;
    const again = () => {
      while (goesOn() && this.#send(performance.now(), again));
    };
    again();
    while (goesOn()) await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#drained(performance.now());
    return { offered: undefined };
  }

  async open() {
    const { rate, seconds = Number.POSITIVE_INFINITY, requests = Number.POSITIVE_INFINITY } = this.load;
    let total = Math.min(requests, Math.round(rate * seconds));
    const interval = 1000 / rate;
    this.start = performance.now() + 5;
    let due = 0;
    const dispatch = () => {
      while (this.#sent < due && this.#send(this.start + this.#sent * interval, dispatch));
    };
    await new Promise((resolve) => {
      const tick = () => {
        due = Math.min(total, Math.floor((performance.now() - this.start) / interval) + 1);
        if (this.ended) total = due;
        dispatch();
        if (due < total) setTimeout(tick, 1);
        else resolve(undefined);
      };
      setTimeout(tick, 5);
    });
    await this.#drained(performance.now(), () => this.#sent < total);
    return { offered: rate, unsent: total - this.#sent };
  }

  /** Sends one request, if a connection is free. */
  #send(scheduled, next) {
    const connection = this.#take(next);
    if (!connection) return false;
    this.#sent++;
    const request = this.next(performance.timeOrigin + scheduled);
    this.#flying.set(connection, { kind: request.kind, scheduled });
    connection.request(request.text, (status, answer) => {
      this.#flying.delete(connection);
      this.lastAnswer = performance.now();
      if (status === 202 && !(request.events > 1 && answer.includes('"error"'))) {
        this.samples.push({ at: performance.timeOrigin + scheduled, latency: this.lastAnswer - scheduled });
        this.accepted += request.events;
        if (request.isRepeat) this.repeats++;
        if (request.events === 1 && answer.includes('"duplicate":true')) this.duplicates++;
        if (this.load.keys) (this.keys[request.kind] ??= []).push(request.key);
      } else {
        const reason = `${status} ${answer.slice(0, 200)}`;
        this.failures[reason] = (this.failures[reason] ?? 0) + 1;
      }
      if (!connection.closed) this.#idle.push(connection);
      next();
    });
    return true;
  }

  /** A free connection. In place of one that the server has closed, because it lay idle for long, another is opened. */
  #take(next) {
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (!connection.closed) return connection;
      void this.#reopen(next);
    }
    return undefined;
  }

  async #reopen(next) {
    const connection = await Connection.open(this.load.port).catch(() => undefined);
    if (!connection) return;
    this.#all.push(connection);
    this.#idle.push(connection);
    next();
  }

  async #drained(end, unsent = () => false) {
    while ((this.#flying.size > 0 || unsent()) && performance.now() < end + GRACE_MS) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const { kind, scheduled } of this.#flying.values()) {
      const reason = `0 no answer to ${kind} sent ${Math.round((scheduled - this.start) / 1000)} s after the start`;
      this.failures[reason] = (this.failures[reason] ?? 0) + 1;
    }
  }
}

let work;

async function run(load) {
  work = new Run(load);
  await work.connect();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  const elu = performance.eventLoopUtilization();
  try {
    const { offered, unsent = 0 } = await work[load.mode]();
    const seconds = (work.lastAnswer - work.start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return {
      offered, unsent, accepted: work.accepted, repeats: work.repeats, duplicates: work.duplicates, failures: work.failures, seconds,
      rate: work.accepted / seconds,
      latency: summarise(work.samples.map(({ latency }) => latency)),
      ...(load.samples && { samples: work.samples }),
      ...(load.keys && { keys: work.keys }),
      generator: { cpuMs: (user + system) / 1000, utilization: performance.eventLoopUtilization(elu).utilization, loopDelayP99: delay.percentile(99) / 1e6 },
    };
  } finally {
    delay.disable();
    work.close();
  }
}

serveHelper({
  run,

  /** Ends the load that is running; what was sent may still be answered. */
  end() {
    work.ended = true;
  },
});
