import { formatBytes, formatCount, formatMoney, formatPercent } from './amounts.js';
import type { Severity } from './notice.js';
import type { Published } from './published.js';

/** What a built-in type has to say, from its data. What the data lacks is left out. */
export interface Sketch {
  title: string;
  text?: string;
  severity: Severity;
  facts: [name: string, value: string | undefined][];
  /** What it is about: with these the news of its end finds that of its beginning. */
  about: [family: string, ...keys: (string | undefined)[]];
}

const map = (value: number | undefined, format: (value: number) => string): string | undefined => (value === undefined ? undefined : format(value));
const money = (data: Published, path: string): string | undefined => map(data.number(path), (amount) => formatMoney(amount, data.text('currency')));
const percent = (data: Published, path: string): string | undefined => map(data.number(path), formatPercent);
const count = (data: Published, path: string): string | undefined => map(data.number(path), formatCount);

/** A sentence of which nothing is left when a part is missing. */
function say(texts: TemplateStringsArray, ...parts: (string | undefined)[]): string | undefined {
  return parts.includes(undefined) ? undefined : String.raw({ raw: texts }, ...parts);
}

const BY_WORD: Record<string, Severity> = { critical: 'critical', fatal: 'critical', high: 'error', error: 'error', medium: 'warning', warning: 'warning', warn: 'warning', low: 'info', info: 'info' };

/** The severity that the data itself names. */
export function severityOf(data: Published): Severity | undefined {
  const word = data.text('severity')?.toLowerCase() ?? '';
  return Object.hasOwn(BY_WORD, word) ? BY_WORD[word] : undefined;
}

const exportFacts = (data: Published): Sketch['facts'] => [
  ['Dataset', data.text('dataset')], ['Format', data.text('format')], ['From', data.text('from')], ['To', data.text('to')], ['Export', data.text('export_id')],
];
const importFacts = (data: Published): Sketch['facts'] => [
  ['Object', data.text('object')], ['Format', data.text('format')], ['Billing period', data.text('billing_period')], ['Import', data.text('import_id')],
];

export const BUILT_IN: Record<string, (data: Published) => Sketch> = {
  anomaly_detected: (data) => ({
    title: say`Cost anomaly in ${data.text('service')}` ?? 'Cost anomaly',
    text: say`${money(data, 'actual_cost')} instead of the expected ${money(data, 'expected_cost')}.`,
    severity: severityOf(data) ?? 'warning',
    facts: [
      ['Service', data.text('service')], ['Account', data.text('account')], ['Date', data.text('date')],
      ['Actual cost', money(data, 'actual_cost')], ['Expected cost', money(data, 'expected_cost')], ['Deviation', percent(data, 'deviation_percent')],
    ],
    about: ['anomaly_detected', data.text('service'), data.text('account'), data.text('date')],
  }),
  budget_exceeded: (data) => ({
    title: say`Budget exceeded: ${data.text('budget')}` ?? 'Budget exceeded',
    text: say`${money(data, 'actual_cost')} spent of ${money(data, 'limit')}.`,
    severity: severityOf(data) ?? 'error',
    facts: [['Budget', data.text('budget')], ['Month', data.text('month')], ['Spent', money(data, 'actual_cost')], ['Limit', money(data, 'limit')], ['Used', percent(data, 'percent_used')]],
    about: ['budget_exceeded', data.text('budget'), data.text('month')],
  }),
  daily_summary: (data) => ({
    title: say`Costs of ${data.text('date')}: ${money(data, 'total_cost')}` ?? 'Daily cost summary',
    text: say`${percent(data, 'change_percent')} against the day before.`,
    severity: severityOf(data) ?? 'info',
    facts: [
      ['Date', data.text('date')], ['Total cost', money(data, 'total_cost')], ['Change', percent(data, 'change_percent')],
      ...data.list('top_services', 5).map((entry, index): [string, string | undefined] => [entry.text('service') ?? `Service ${index + 1}`, map(entry.number('cost'), (cost) => formatMoney(cost, data.text('currency')))]),
    ],
    about: ['daily_summary', data.text('date')],
  }),
  forecast_updated: (data) => ({
    title: say`Forecast for ${data.text('month')}: ${money(data, 'forecast_cost')}` ?? 'Cost forecast updated',
    text: say`Between ${money(data, 'lower')} and ${money(data, 'upper')}.`,
    severity: severityOf(data) ?? 'info',
    facts: [['Month', data.text('month')], ['Forecast', money(data, 'forecast_cost')], ['Lower bound', money(data, 'lower')], ['Upper bound', money(data, 'upper')]],
    about: ['forecast_updated', data.text('month')],
  }),
  resource_idle: (data) => ({
    title: say`Idle resource: ${data.text('resource_id')}` ?? 'Idle resource',
    text: say`Idle for ${count(data, 'idle_days')} days at ${money(data, 'monthly_cost')} a month.`,
    severity: severityOf(data) ?? 'warning',
    facts: [['Resource', data.text('resource_id')], ['Service', data.text('service')], ['Region', data.text('region')], ['Idle days', count(data, 'idle_days')], ['Monthly cost', money(data, 'monthly_cost')]],
    about: ['resource_idle', data.text('resource_id')],
  }),
  'webhook.disabled': (data) => ({
    title: 'Webhook disabled', text: data.text('reason'), severity: 'error',
    facts: [['Webhook', data.text('webhook_id')]], about: ['webhook.disabled', data.text('webhook_id')],
  }),
  'delivery.exhausted': (data) => ({
    title: say`Delivery given up: ${data.text('event_type')}` ?? 'Delivery given up', text: data.text('reason'), severity: 'error',
    facts: [['Event type', data.text('event_type')], ['Event', data.text('event_id')], ['Delivery', data.text('delivery_id')], ['Webhook', data.text('webhook_id')], ['Attempts', count(data, 'attempt_count')]],
    about: ['delivery.exhausted', data.text('delivery_id')],
  }),
  'export.completed': (data) => ({
    title: say`Export completed: ${data.text('dataset')}` ?? 'Export completed', text: say`${count(data, 'row_count')} rows.`, severity: 'success',
    facts: [...exportFacts(data), ['Rows', count(data, 'row_count')], ['Size', map(data.number('byte_count'), formatBytes)]], about: ['export', data.text('export_id')],
  }),
  'export.failed': (data) => ({
    title: say`Export failed: ${data.text('dataset')}` ?? 'Export failed', text: data.text('error'), severity: 'error',
    facts: exportFacts(data), about: ['export', data.text('export_id')],
  }),
  'cost_import.completed': (data) => ({
    title: say`Cost import completed: ${data.text('billing_period')}` ?? 'Cost import completed', text: say`${count(data, 'line_count')} lines, ${count(data, 'rejected_count')} rejected.`, severity: 'success',
    facts: [...importFacts(data), ['Lines', count(data, 'line_count')], ['Rejected', count(data, 'rejected_count')], ['Billed cost', money(data, 'totals.billed_cost')], ['Effective cost', money(data, 'totals.effective_cost')]],
    about: ['cost_import', data.text('import_id')],
  }),
  'cost_import.failed': (data) => ({
    title: say`Cost import failed: ${data.text('billing_period')}` ?? 'Cost import failed', text: data.text('error'), severity: 'error',
    facts: importFacts(data), about: ['cost_import', data.text('import_id')],
  }),
};
