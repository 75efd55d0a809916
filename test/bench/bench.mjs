/** What every scenario works with: the server, the helpers around it, and the few steps that they share. */
import { randomBytes } from 'node:crypto';
import { Helper } from './helper.mjs';
import { makeBodies } from './payload.mjs';
import { Server } from './server.mjs';
import { INBOUND } from './traffic.mjs';

/** Size of `data`, in bytes. */
export const DATA_BYTES = 1024;

/** The server's own account of its append transactions: how many events they held, how long they took. */
const APPEND_METRICS = ['lakehook_append_batch_events_sum', 'lakehook_append_batch_events_count', 'lakehook_append_seconds_sum'];

export class Bench {
  /** Things that are wrong, not slow: the bench fails when there is one. */
  problems = [];
  #types = 0;

  constructor(options) {
    this.options = options;
    this.rounds = options.quick ? 1 : 3;
  }

  async open() {
    this.generator = new Helper('generator.mjs');
    this.receiver = new Helper('receiver.mjs');
    await this.serve();
  }

  /** Starts a server, in place of the one that runs: `how` as {@link Server.start} takes it. */
  async serve(how) {
    await this.server?.stop();
    this.server = new Server();
    await this.server.start({ profileDir: this.options.profileDir, ...how });
  }

  /** Ends everything that runs. Safe to call at any time, also twice. */
  close() {
    this.closing ??= Promise.all([this.generator?.stop(), this.receiver?.stop(), this.floor?.stop(), this.server?.stop()]);
    return this.closing;
  }

  /** Seconds a phase lasts: shorter with `--quick`. */
  seconds(full, quick = full / 2) {
    return this.options.quick ? quick : full;
  }

  say(text) {
    process.stderr.write(`bench: ${text}\n`);
  }

  expect(good, problem) {
    if (good) return;
    this.problems.push(problem);
    this.say(`WRONG: ${problem}`);
  }

  /** An event type that nobody has used yet, so that what follows can be counted by it. */
  freshType(name) {
    return `bench.${name}.${++this.#types}`;
  }

  /**
   * Does `work` between two quiet moments and adds what it cost server and database, work after the answer included.
   * `pid`: who serves, when a floor does.
   */
  async metered(work, pid = this.server.child.pid) {
    const read = async () => ({ ...this.server.cpu(pid), ...(await this.server.written()), ...(await this.server.metrics(APPEND_METRICS)) });
    await this.server.quiet();
    const before = await read();
    const result = await work();
    const jobsLeft = await this.server.waitingJobs();
    await this.server.quiet();
    const after = await read();
    return { ...result, jobsLeft, cost: Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]])) };
  }

  /** Drives one load. Anything but 202 is a problem. */
  async drive(load, pid) {
    const result = await this.metered(() => this.generator.call('run', load), pid);
    for (const [reason, count] of Object.entries(result.failures)) this.expect(false, `${count} requests failed: ${reason}`);
    return result;
  }

  /** Publishes `count` events of a type through batches of up to 1,000. `body`: how they differ from the usual. */
  async publishBacklog(eventType, count, body = {}) {
    const perRequest = Math.min(1000, count);
    const bodies = makeBodies({ eventTypes: [eventType], bytes: DATA_BYTES, perRequest, variants: 2, ...body });
    for (let sent = 0; sent < count; sent += perRequest) {
      const { data } = await this.server.call('POST', '/v1/events', bodies.text(sent / perRequest, Date.now()));
      this.expect(data.every(({ error }) => !error) && data.length === perRequest, `a batch of ${perRequest} was answered with ${data.length} results, some refused`);
    }
  }

  /** A source for each provider that posts, as the generator takes them, and their ids by provider. */
  async makeSources() {
    const secret = `whsec_${randomBytes(24).toString('base64url')}`;
    const made = { secret, paths: {}, sourceIds: {} };
    for (const provider of INBOUND) {
      const source = await this.server.call('POST', '/v1/sources', { name: `bench ${provider}`, provider, secrets: [secret] });
      made.paths[provider] = source.ingest_path;
      made.sourceIds[provider] = source.source_id;
    }
    return made;
  }

  /** One webhook per port, each an origin of its own; the first tenant's, or another's by `key`. @returns {Promise<string[]>} their ids */
  async makeWebhooks(specs) {
    const ports = await this.receiver.call('listen', specs.length);
    const ids = [];
    for (const [index, { path, key, ...settings }] of specs.entries()) {
      const webhook = await this.server.call('POST', '/v1/webhooks', { url: `http://127.0.0.1:${ports[index]}${path}`, ...settings }, key);
      ids.push(webhook.webhook_id);
    }
    return ids;
  }

  async dropWebhooks(ids, key) {
    for (const id of ids) await this.server.call('DELETE', `/v1/webhooks/${id}`, undefined, key);
  }

  /** Waits until every delivery of these webhooks has ended. Answers how many ended how. */
  async settled(webhookIds, limitMs = 60_000) {
    for (const deadline = Date.now() + limitMs; ; ) {
      const counts = await this.server.countDeliveries(webhookIds);
      if (!(counts.pending || counts.retrying) || Date.now() > deadline) return counts;
      await new Promise((wake) => setTimeout(wake, 200));
    }
  }
}
