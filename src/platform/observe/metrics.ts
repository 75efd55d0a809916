import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30];

/** Prometheus metrics of this process. Every metric is declared here, so that this file is the list an operator reads. */
export class Metrics {
  readonly registry = new Registry();
  private readonly shared = { registers: [this.registry] };

  private readonly httpRequests = new Histogram({ ...this.shared, name: 'lakehook_http_request_seconds', help: 'Time to answer, by route and status.', labelNames: ['method', 'route', 'status'], buckets: SECONDS });
  readonly eventsAppended = new Counter({ ...this.shared, name: 'lakehook_events_appended_total', help: 'Events committed to the log.' });
  readonly eventsDuplicate = new Counter({ ...this.shared, name: 'lakehook_events_duplicate_total', help: 'Publishes that named an event id already in the log.' });
  readonly appendBatch = new Histogram({ ...this.shared, name: 'lakehook_append_batch_events', help: 'Events per append transaction.', buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000] });
  readonly appendSeconds = new Histogram({ ...this.shared, name: 'lakehook_append_seconds', help: 'Duration of append transactions.', buckets: SECONDS });
  readonly eventsSpooled = new Counter({ ...this.shared, name: 'lakehook_events_spooled_total', help: 'Events acknowledged while Postgres was away, and kept in the spool.' });
  readonly eventsDrained = new Counter({ ...this.shared, name: 'lakehook_events_drained_total', help: 'Events that went from the spool to the log, or were found there already.' });
  readonly spoolRefused = new Counter({ ...this.shared, name: 'lakehook_spool_refused_total', help: 'Acknowledged records that could not be stored and are kept in the table spool_refused.' });
  readonly spoolDamagedBytes = new Counter({ ...this.shared, name: 'lakehook_spool_damaged_bytes_total', help: 'Bytes of the spool that could not be read and were laid aside.' });
  private readonly inboundRequests = new Counter({ ...this.shared, name: 'lakehook_inbound_requests_total', help: 'Requests to the URLs of sources, by provider and outcome: accepted, duplicate, conflict, answered (there was nothing to store), invalid (by its schema), limited (by its rate_limit), challenged (asked for a password), refused or unavailable. Unknown URLs have no provider.', labelNames: ['provider', 'outcome'] });
  readonly inboundRefused = new Counter({ ...this.shared, name: 'lakehook_inbound_refused_total', help: 'Requests to sources that could not be verified, by reason.', labelNames: ['provider', 'reason'] });
  readonly quarantineDropped = new Counter({ ...this.shared, name: 'lakehook_quarantine_dropped_total', help: 'Requests that could not be verified and were not kept either: too many at once, or too large.' });
  readonly admissionRefused = new Counter({ ...this.shared, name: 'lakehook_admission_refused_total', help: 'Publishes refused, by reason: overloaded (503) or rate_limited (429).', labelNames: ['reason'] });
  readonly admissionDelay = new Gauge({ ...this.shared, name: 'lakehook_admission_delay_seconds', help: 'What everything that comes in waits at least for its transaction, lately.' });
  readonly jobs = new Histogram({ ...this.shared, name: 'lakehook_job_seconds', help: 'Job runs, by queue and outcome.', labelNames: ['queue', 'outcome'], buckets: SECONDS });
  readonly deliveriesCreated = new Counter({ ...this.shared, name: 'lakehook_deliveries_created_total', help: 'Deliveries made by fan-out.' });
  readonly deliveriesFiltered = new Counter({ ...this.shared, name: 'lakehook_deliveries_filtered_total', help: 'Deliveries not made because the filter of the webhook refused the event.' });
  readonly attempts = new Histogram({ ...this.shared, name: 'lakehook_delivery_attempt_seconds', help: 'Attempts, by outcome: succeeded or an error class.', labelNames: ['outcome'], buckets: SECONDS });
  readonly deliverySeconds = new Histogram({ ...this.shared, name: 'lakehook_delivery_seconds', help: 'From the event being recorded to its delivery succeeding.', buckets: [...SECONDS, 60, 300, 1800, 7200] });
  readonly attemptsInFlight = new Gauge({ ...this.shared, name: 'lakehook_delivery_attempts_in_flight', help: 'Attempts under way in this process.' });
  readonly deliveriesDead = new Counter({ ...this.shared, name: 'lakehook_deliveries_dead_total', help: 'Deliveries given up on.' });
  readonly circuitsOpened = new Counter({ ...this.shared, name: 'lakehook_circuits_opened_total', help: 'Circuits opened by this process, because a webhook did little but fail.' });
  readonly claimsTakenOver = new Counter({ ...this.shared, name: 'lakehook_claims_taken_over_total', help: 'Claims of silent dispatchers that this process took over.' });
  readonly exports = new Histogram({ ...this.shared, name: 'lakehook_export_seconds', help: 'Work on exports, by outcome: succeeded, failed, retried (it failed and is tried again), interrupted (Postgres went away), lost (cancelled, or taken over), cleared (files were removed).', labelNames: ['outcome'], buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200] });
  readonly exportedRows = new Counter({ ...this.shared, name: 'lakehook_exported_rows_total', help: 'Rows in the files of exports that succeeded.', labelNames: ['dataset', 'format'] });
  readonly exportedBytes = new Counter({ ...this.shared, name: 'lakehook_exported_bytes_total', help: 'Bytes of the files of exports that succeeded.', labelNames: ['dataset', 'format'] });

  private readonly requestSeries = new Map<string, ReturnType<Histogram['labels']>>();
  private readonly inboundSeries = new Map<string, ReturnType<Counter['labels']>>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** One answered request. Looks its series up once per combination: finding it by labels costs as much as observing. */
  observeRequest(method: string, route: string, status: number, seconds: number): void {
    const name = `${method} ${route} ${status}`;
    let series = this.requestSeries.get(name);
    if (!series) this.requestSeries.set(name, (series = this.httpRequests.labels(method, route, String(status))));
    series.observe(seconds);
  }

  /** One request to the URL of a source. */
  countInbound(provider: string, outcome: string): void {
    const name = `${provider} ${outcome}`;
    let series = this.inboundSeries.get(name);
    if (!series) this.inboundSeries.set(name, (series = this.inboundRequests.labels(provider, outcome)));
    series.inc();
  }

  /** A gauge with a value per value of a label, all read when Prometheus asks. */
  gaugesOf(name: string, help: string, label: string, read: () => Promise<Record<string, number>>): void {
    new Gauge({
      ...this.shared, name, help, labelNames: [label],
      async collect() {
        const values = await read();
        this.reset();
        for (const [key, value] of Object.entries(values)) this.labels(key).set(value);
      },
    });
  }

  /** A gauge whose value is read when Prometheus asks. */
  gaugeOf(name: string, help: string, read: () => Promise<number> | number): void {
    new Gauge({
      ...this.shared, name, help,
      async collect() {
        this.set(await read());
      },
    });
  }
}
