import { dayOf, type Export } from '../../platform/index.js';
import type { ExportOptions } from './exports.dto.js';
import { Refusal } from './failure.js';
import type { Held, Wanted } from './held.js';
import { readOptions } from './plan.js';

/** What an export was asked to be, as the wire has it. */
export function optionsOf({ dataset, format, compression, partitionBy, columns, filter, formulaSafe, target, destinationId }: Export): ExportOptions {
  return {
    dataset, format: format as ExportOptions['format'], compression, partition_by: partitionBy, target: target as ExportOptions['target'],
    ...(columns.length > 0 && { columns }), ...(filter !== null && { filter: filter as Record<string, unknown> }), ...(formulaSafe && { formula_safe: true }), ...(destinationId && { destination_id: destinationId }),
  };
}

/** Reads again what was read when the export was made: a newer version of ours may see it otherwise. */
export function wantedOf(held: Held): Wanted {
  const plan = readOptions(optionsOf(held.row));
  if (Array.isArray(plan)) throw new Refusal(`It cannot be done any more as it was asked for: ${plan.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ')}.`);
  return { ...held, plan, from: dayOf(held.row.fromDay), to: dayOf(held.row.toDay) };
}
