import { type BatchMember, DAY_MS, dayOf, type Fault, findJsonFault, isObject, membersOf, pointerAt, pointerTo, Problem, readBatch } from '../../platform/index.js';
import { type DecimalShape, readDecimal } from './decimal.js';

export const MAX_RECORDS = 10_000;

/** What fills the 38 digits of the widest decimal that engines read. Real bills have up to 21 digits behind the point; quantities have fewer, but count byte-seconds. */
const COST: DecimalShape = { whole: 17, fraction: 21 };
const QUANTITY: DecimalShape = { whole: 20, fraction: 18 };

/** No cloud has billed before. Later than a year ahead is a slip of the pen; what is paid in advance stands before that. */
const FIRST_DAY = '2000-01-01';
const AHEAD_MS = 366 * DAY_MS;

export const CHARGE_CATEGORIES = ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'];
const TEXTS: Record<string, { required?: boolean; max: number }> = {
  provider: { required: true, max: 100 }, billing_account_id: { max: 256 }, sub_account_id: { max: 256 }, service_name: { required: true, max: 256 }, region_id: { max: 100 }, resource_id: { max: 2048 }, usage_type: { max: 512 }, unit: { max: 100 },
};
const COSTS = ['billed_cost', 'effective_cost', 'list_cost', 'contracted_cost'] as const;
const MEMBERS = new Set(['date', 'charge_category', 'quantity', 'currency', 'tags', ...COSTS, ...Object.keys(TEXTS)]);
const MAX_TAGS = 200, MAX_TAG_NAME = 256, MAX_TAG_VALUE = 1024;

/** A record as it is stored: by column, decimals as text. */
export interface CostRow {
  date: string;
  [column: string]: string | null | Record<string, string>;
}

/** Reads a body from its text, one record after another, so that numbers keep every digit. What is wrong with the whole is thrown; what is wrong with a record stands in its place. */
export function* readRecords(text: string | undefined, body: unknown, now: number): Generator<CostRow | Fault[]> {
  if (text === undefined) throw Problem.invalid({ pointer: '', detail: 'must be a JSON object: {"records": […]}' });
  const lastDay = dayOf(now + AHEAD_MS);
  let index = 0;
  for (const member of readBatch(text, body, 'records', MAX_RECORDS)) {
    const read = readRecord(member, lastDay);
    yield Array.isArray(read) ? read.map(({ pointer, detail }) => ({ pointer: `/records/${index}${pointer}`, detail })) : read;
    index++;
  }
}

function readRecord({ text, value }: BatchMember, lastDay: string): CostRow | Fault[] {
  if (!isObject(value)) return [{ pointer: '', detail: 'must be an object' }];
  const unstorable = findJsonFault(text);
  if (unstorable) return [{ pointer: pointerAt(text, unstorable.at), detail: unstorable.detail }];
  const faults: Fault[] = Object.keys(value).filter((name) => !MEMBERS.has(name)).map((name) => ({ pointer: pointerTo('', name), detail: 'is not known here' }));
  const given = (name: string): unknown => value[name] ?? null;
  const refuse = (name: string, detail: string): null => (faults.push({ pointer: `/${name}`, detail }), null);

  const row = { date: '' } as CostRow;
  const date = given('date');
  if (isDay(date) && date >= FIRST_DAY && date <= lastDay) row.date = date;
  else refuse('date', `must be a day (YYYY-MM-DD) from ${FIRST_DAY} to ${lastDay}`);
  for (const [name, { required, max }] of Object.entries(TEXTS)) {
    const field = given(name);
    row[name] = (!required && field === null) || (typeof field === 'string' && field !== '' && field.length <= max) ? (field as string | null) : refuse(name, `must be a text of 1 to ${max} characters${required ? '' : ', or null'}`);
  }
  const category = given('charge_category') ?? 'Usage';
  row.charge_category = CHARGE_CATEGORIES.includes(category as string) ? (category as string) : refuse('charge_category', `must be one of ${CHARGE_CATEGORIES.join(', ')}`);
  const currency = given('currency');
  row.currency = typeof currency === 'string' && /^[A-Z]{3}$/.test(currency) ? currency : refuse('currency', 'must be a currency code of three capital letters, such as USD');

  const decimal = (name: string, shape: DecimalShape): string | null => {
    const field = given(name);
    const written = typeof field === 'number' ? numberIn(text, name) : field;
    return (typeof written === 'string' ? readDecimal(written, shape) : undefined)
      ?? refuse(name, `must be a decimal of at most ${shape.whole} digits before the point and ${shape.fraction} behind it, as a number or a text`);
  };
  row.billed_cost = decimal('billed_cost', COST);
  for (const name of COSTS.slice(1)) row[name] = given(name) === null ? row.billed_cost : decimal(name, COST);
  row.quantity = given('quantity') === null ? null : decimal('quantity', QUANTITY);
  const tags = given('tags') ?? {};
  const wrongTags = findTagFaults(tags);
  faults.push(...wrongTags);
  row.tags = wrongTags.length > 0 ? null : (tags as Record<string, string>);
  return faults.length > 0 ? faults : row;
}

function numberIn(text: string, name: string): string {
  const { start, end } = membersOf(text).get(name)!;
  return text.slice(start, end);
}

/** A day that the calendar has. */
function isDay(value: unknown): value is string {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(value)) return false;
  const ms = Date.parse(value);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(value);
}

function findTagFaults(tags: unknown): Fault[] {
  if (!isObject(tags)) return [{ pointer: '/tags', detail: 'must be an object of texts by name' }];
  const entries = Object.entries(tags);
  if (entries.length > MAX_TAGS) return [{ pointer: '/tags', detail: `must hold at most ${MAX_TAGS} tags` }];
  return entries.flatMap(([name, value]): Fault[] => {
    if (name === '' || name.length > MAX_TAG_NAME) return [{ pointer: '/tags', detail: `must hold tags with names of 1 to ${MAX_TAG_NAME} characters` }];
    return typeof value === 'string' && value.length <= MAX_TAG_VALUE ? [] : [{ pointer: pointerTo('/tags', name), detail: `must be a text of at most ${MAX_TAG_VALUE} characters` }];
  });
}
