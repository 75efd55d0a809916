import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Store, StoreFault, wholeOf } from '../../platform/index.js';

/** What exports ask of a store, in the order in which it is tried. */
export type Step = 'write' | 'multipart' | 'read' | 'list' | 'list_uploads' | 'abort' | 'delete';

export interface Finding {
  step: Step;
  /** Without a fault it worked. */
  status: 'ok' | 'failed' | 'skipped';
  durationMs: number;
  fault?: StoreFault;
}

/** Findings in order; whether writes with a condition hold, where that could be found out. */
export interface Findings {
  steps: Finding[];
  conditionalWrites: boolean | null;
}

/** The kind of request that a step is about. Requests of other kinds that it makes in passing have steps of their own. */
const ACTIONS: Record<Step, StoreFault['action']> = { write: 'write', multipart: 'write', read: 'read', list: 'list', list_uploads: 'list', abort: 'delete', delete: 'delete' };
/** What cannot be tried where another step failed. */
const NEEDS: Partial<Record<Step, Step>> = { read: 'write', abort: 'multipart', delete: 'write' };
/** Found once, they meet each request: trying on would only take long. */
const HOPELESS: StoreFault['reason'][] = ['unreachable', 'timeout', 'no_bucket'];
/** Below `exports`, so that whoever may write there alone passes; engines skip names with an underscore. */
const FOLDER = 'exports/_probe/';

/** Does in small what an export does, with files of its own that it removes. `name` is unique to the probe. */
export async function probe(store: Store, root: string, name: string): Promise<Findings> {
  const folder = root + FOLDER;
  const [key, other] = [`${folder}${name}`, `${folder}${name}-2`];
  const content = randomBytes(1_024);
  const steps: Finding[] = [];
  const attempt = async (step: Step, work: () => Promise<string | void>): Promise<void> => {
    const needed = NEEDS[step];
    const isSkipped = steps.some(({ fault }) => fault && isHopeless(fault)) || (needed !== undefined && !worked(steps, needed));
    const started = performance.now();
    const fault = isSkipped ? undefined : await faultOf(step, work);
    steps.push({ step, status: isSkipped ? 'skipped' : fault ? 'failed' : 'ok', durationMs: Math.round(performance.now() - started), ...(fault && { fault }) });
  };
  try {
    await attempt('write', async () => void (await store.put(key, content)));
    await attempt('multipart', async () => void (await store.publish(await store.stage(other, Readable.from([content])))));
    await attempt('read', async () => {
      const found = await store.read(key);
      if (!found || !(await wholeOf(found.body, content.length))?.equals(content)) return 'What was read is not what was written.';
    });
    await attempt('list', async () => {
      const keys = new Set<string>();
      // Ours are two; whoever lists more makes them up.
      for await (const stat of store.list(folder + name)) if (keys.add(stat.key).size > 2) break;
      if (worked(steps, 'write') && !keys.has(key)) return 'What was written is not listed.';
      if (worked(steps, 'read')) await requireAbsence(store, `${folder}${name}-absent`);
    });
    // So long ago that nothing was staged before.
    await attempt('list_uploads', async () => void (await store.sweep(folder + name, new Date(0), new Set())));
    await attempt('abort', async () => store.discard(await store.stage(other, Readable.from([content]))));
    await attempt('delete', () => store.remove([key, other]));
    const isKnown = worked(steps, 'write') && worked(steps, 'delete');
    return { steps, conditionalWrites: isKnown ? await store.holdsConditions(key).catch(unlessFault) : null };
  } finally {
    if (!worked(steps, 'delete') && steps.some(({ step, status }) => step !== 'delete' && status === 'ok')) await store.remove([key, other]).catch(unlessFault);
  }
}

function worked(steps: Finding[], step: Step): boolean {
  return steps.some((finding) => finding.step === step && finding.status === 'ok');
}

function isHopeless({ reason, permission }: StoreFault): boolean {
  return HOPELESS.includes(reason) || (reason === 'denied' && permission === undefined);
}

/** Of a step the fault that is its own. */
async function faultOf(step: Step, work: () => Promise<string | void>): Promise<StoreFault | undefined> {
  try {
    const complaint = await work();
    return complaint ? new StoreFault(ACTIONS[step], 'refused', complaint) : undefined;
  } catch (error) {
    if (!(error instanceof StoreFault)) throw error;
    return error.reason === 'denied' && error.permission !== undefined && error.action !== ACTIONS[step] ? undefined : error;
  }
}

/** S3 says of what is not there that it is not there only to who may list the whole bucket, and exports look for manifests that are not there yet. */
async function requireAbsence(store: Store, key: string): Promise<void> {
  try {
    await store.stat(key);
  } catch (error) {
    if (!(error instanceof StoreFault) || error.reason !== 'denied') throw error;
    throw new StoreFault('list', 'denied', 'Of what is not there, the storage says that it is denied (403 instead of 404): s3:ListBucket is wanted for the bucket, without a condition on the prefix.', { permission: 's3:ListBucket', cause: error });
  }
}

function unlessFault(error: unknown): null {
  if (error instanceof StoreFault) return null;
  throw error;
}
