import { dayOf } from '../../platform/index.js';
import { matches } from '../fan-out/match.js';
import type { Message } from './message.js';

const ID = (last: number): string => `01900000-0000-7000-8000-00000000000${last}`;

/** What the built-in types carry. `day` as 2026-11-22. docs/webhooks.md lists the fields. */
const EXAMPLES: Record<string, (day: string) => object> = {
  anomaly_detected: (day) => ({ date: day, service: 'AmazonEC2', account: '123456789012', currency: 'USD', expected_cost: 412.5, actual_cost: 1389.27, deviation_percent: 236.8, severity: 'high' }),
  budget_exceeded: (day) => ({ budget: 'Platform team', month: day.slice(0, 7), currency: 'USD', limit: 20_000, actual_cost: 20_431.18, percent_used: 102.2 }),
  daily_summary: (day) => ({ date: day, currency: 'USD', total_cost: 4_812.09, change_percent: -3.4, top_services: [{ service: 'AmazonEC2', cost: 2_140.55 }, { service: 'AmazonRDS', cost: 908.1 }] }),
  forecast_updated: (day) => ({ month: day.slice(0, 7), currency: 'USD', forecast_cost: 143_227.76, lower: 138_900, upper: 147_600 }),
  resource_idle: () => ({ resource_id: 'i-0abc123def4567890', service: 'AmazonEC2', region: 'eu-central-1', idle_days: 14, currency: 'USD', monthly_cost: 61.32 }),
  'webhook.disabled': () => ({ webhook_id: ID(1), reason: 'The receiver answered HTTP 410 Gone.' }),
  'delivery.exhausted': () => ({ delivery_id: ID(2), webhook_id: ID(1), event_id: ID(3), event_type: 'anomaly_detected', attempt_count: 4, reason: 'All 4 attempts failed. The last one: HTTP 503 Service Unavailable' }),
  'export.completed': (day) => ({ export_id: ID(4), dataset: 'cost_data', format: 'parquet', from: `${day.slice(0, 7)}-01`, to: day, row_count: 1_250_000, byte_count: 48_211_904 }),
  'export.failed': (day) => ({ export_id: ID(4), dataset: 'cost_data', format: 'parquet', from: `${day.slice(0, 7)}-01`, to: day, error: 'The destination refused the upload: AccessDenied.' }),
  'cost_import.completed': (day) => ({ import_id: ID(5), object: 's3://bills/cur/report.parquet', format: 'cur', billing_period: day.slice(0, 7), line_count: 182_440, rejected_count: 3, currency: 'USD', totals: { billed_cost: 143_227.76, effective_cost: 141_902.11, list_cost: 160_455.2 } }),
  'cost_import.failed': (day) => ({ import_id: ID(5), object: 's3://bills/cur/report.parquet', format: 'cur', billing_period: day.slice(0, 7), error: 'Line 1 has no column line_item_usage_start_date.' }),
};

/** The types that events of ours have. */
export const BUILT_IN_TYPES = Object.keys(EXAMPLES);

/** Believable `data` for a test send, as JSON text: the built-in types have an example of their own. `now` in epoch milliseconds. */
export function exampleOf(eventType: string, now: number): string {
  const example = Object.hasOwn(EXAMPLES, eventType) ? EXAMPLES[eventType]!(dayOf(now)) : undefined;
  return JSON.stringify(example ?? { message: `This is a test of ${eventType} from Lakehook.`, sent_at: new Date(now).toISOString() });
}

/** An event such as these patterns choose: of the first type named in full, or of the first built-in one that matches. */
export function exampleMessage(patterns: readonly string[], now: number): Message {
  const event_type = patterns.find((pattern) => !pattern.endsWith('*')) ?? BUILT_IN_TYPES.find((type) => matches(patterns, type)) ?? 'webhook.test';
  return { event_id: ID(0), event_type, occurred_at: new Date(now), data: exampleOf(event_type, now), metadata: '{"test":true}' };
}
