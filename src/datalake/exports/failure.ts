import { Problem, StoreFault, UnfitValue } from '../../platform/index.js';

/** What an export is doing: nothing of it is visible, it is being shown, or what remains of it is being removed. */
export type Phase = 'writing' | 'publishing' | 'clearing';

const MAX_WAIT_MS: Record<Phase, number> = { writing: 30_000, publishing: 60_000, clearing: 300_000 };
/** Tries until it is given up. What is being shown goes on for an hour while the store is away: half of it may be visible. */
const MAX_TRIES: Record<Phase, { passing: number; lasting: number }> = {
  writing: { passing: 6, lasting: 1 }, publishing: { passing: 65, lasting: 8 }, clearing: { passing: 300, lasting: 10 },
};

/** How long to wait until the next try after the `failures`th in a row; undefined: it is given up. */
export function nextTry(phase: Phase, error: unknown, failures: number): number | undefined {
  // What is no fault of the store is one of ours or of Postgres, which may have been restarted.
  const isPassing = error instanceof StoreFault ? error.isPassing : !isFinal(error) && phase === 'writing' && failures < 3;
  const { passing, lasting } = MAX_TRIES[phase];
  if (failures >= (isPassing ? passing : lasting)) return undefined;
  return Math.min(MAX_WAIT_MS[phase], 1_000 * 2 ** (failures - 1));
}

/** Why it failed, for whoever asked for it. */
export function reasonOf(error: unknown): string {
  if (error instanceof StoreFault || isFinal(error)) return error.message;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string };
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return `Postgres ended it: ${message}`;
  return 'Something went wrong on our side. The log holds the cause under the export_id.';
}

/** An export that cannot be done as it was asked for any more. */
export class Refusal extends Error {}

/** Trying again would not help, and the message says what would. */
function isFinal(error: unknown): error is Error {
  return error instanceof Refusal || error instanceof UnfitValue || error instanceof Problem;
}
