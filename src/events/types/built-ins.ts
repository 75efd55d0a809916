/** News about deliveries and exports themselves: who asks for everything wants their own events, not a report about each failure to deliver them. */
const OPERATIONAL: Record<string, [description: string, schema: object]> = {
  'webhook.disabled': ['A webhook was stopped: its receiver wants no more, or has only failed for too long.', record({ webhook_id: id(), reason: text() })],
  'delivery.exhausted': ['A delivery was given up and is a dead letter now.', record({ delivery_id: id(), webhook_id: id(), event_id: text(), event_type: text(), attempt_count: { type: 'integer', minimum: 1 }, reason: text() })],
  'subscription.requested': ['Somebody asks for event types at a partner’s webhook.', subscription()],
  'subscription.approved': ['A subscription was approved: its webhook receives these types from now on.', subscription()],
  'subscription.rejected': ['A subscription was turned down.', subscription()],
  'subscription.cancelled': ['A subscription was withdrawn or ended.', subscription()],
  'export.completed': ['An export has written all its files.', record({ export_id: id(), dataset: text(), format: text(), from: day(), to: day(), row_count: count(), byte_count: count() })],
  'export.failed': ['An export was given up.', record({ export_id: id(), dataset: text(), format: text(), from: day(), to: day(), error: text() })],
  'cost_import.completed': ['A bill was read in.', record({ import_id: id(), object: text(), format: text(), billing_period: month(), line_count: count(), rejected_count: count(), currency: text(), totals: { type: 'object', additionalProperties: { type: 'number' } } })],
  'cost_import.failed': ['A bill could not be read in.', record({ import_id: id(), object: text(), format: text(), billing_period: month(), error: text() })],
};

const ANALYTIC: Record<string, [description: string, schema: object]> = {
  anomaly_detected: ['A cost far from what was to be expected.', record({ date: day(), service: text(), account: text(), currency: text(), expected_cost: number(), actual_cost: number(), deviation_percent: number(), severity: text() })],
  budget_exceeded: ['A budget is used up.', record({ budget: text(), month: month(), currency: text(), limit: number(), actual_cost: number(), percent_used: number() })],
  daily_summary: ['What a day has cost.', record({ date: day(), currency: text(), total_cost: number(), change_percent: number(), top_services: { type: 'array', items: record({ service: text(), cost: number() }) } })],
  forecast_updated: ['What a month is going to cost.', record({ month: month(), currency: text(), forecast_cost: number(), lower: number(), upper: number() })],
  resource_idle: ['Something is paid for that nobody uses.', record({ resource_id: text(), service: text(), region: text(), idle_days: count(), currency: text(), monthly_cost: number() })],
};

/** An event type of ours. Its name is nobody else's to register. */
export interface BuiltIn {
  name: string;
  description: string;
  /** What `data` holds, at least. Ours to keep: it is shown, and not held against what is published. */
  schema: object;
}

/** All of them, by name. */
export const BUILT_INS: ReadonlyMap<string, BuiltIn> = new Map(Object.entries({ ...ANALYTIC, ...OPERATIONAL }).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, [description, schema]]) => [name, { name, description, schema }]));

/** Those that are matched only by name or prefix, never by `*`. */
export const OPERATIONAL_TYPES: ReadonlySet<string> = new Set(Object.keys(OPERATIONAL));

function text(): object {
  return { type: 'string' };
}

function id(): object {
  return { type: 'string', format: 'uuid' };
}

function day(): object {
  return { type: 'string', format: 'date' };
}

function month(): object {
  return { type: 'string', pattern: '^\\d{4}-\\d{2}$' };
}

function number(): object {
  return { type: 'number' };
}

function count(): object {
  return { type: 'integer', minimum: 0 };
}

function record(properties: Record<string, object>): object {
  return { type: 'object', properties, required: Object.keys(properties) };
}

function subscription(): object {
  return record({ subscription_id: id(), partner_id: id(), webhook_id: id(), events: { type: 'array', items: text() }, status: text(), reason: { type: ['string', 'null'] } });
}
