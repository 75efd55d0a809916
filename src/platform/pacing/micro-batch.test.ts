import { expect, test, vi } from 'vitest';
import { MicroBatch } from './micro-batch.js';

/** A flush that records its batches and ends each only when told to. */
function heldFlush() {
  const batches: { items: string[]; end: (error?: Error) => void }[] = [];
  const flush = (items: string[]): Promise<string[]> => new Promise((resolve, reject) => {
    batches.push({ items, end: (error) => (error ? reject(error) : resolve(items.map((item) => `${item}!`))) });
  });
  return { batches, flush };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is handed in within one turn leaves together, and each caller learns its own result', async () => {
  const { batches, flush } = heldFlush();
  const batch = new MicroBatch(flush, { maxWeight: 10, inFlight: 1 });
  const answers = Promise.all(['a', 'b', 'c'].map((item) => batch.add(item)));
  await turn();
  expect(batches.map(({ items }) => items)).toEqual([['a', 'b', 'c']]);
  batches[0]!.end();
  expect(await answers).toEqual(['a!', 'b!', 'c!']);
});

test('while all flushes are under way items gather, and leave when one ends', async () => {
  const { batches, flush } = heldFlush();
  const batch = new MicroBatch(flush, { maxWeight: 10, inFlight: 1 });
  const first = batch.add('a');
  await turn();
  const rest = Promise.all([batch.add('b'), batch.add('c')]);
  await turn();
  expect(batches).toHaveLength(1);
  batches[0]!.end();
  await first;
  await turn();
  expect(batches[1]!.items).toEqual(['b', 'c']);
  batches[1]!.end();
  expect(await rest).toEqual(['b!', 'c!']);
});

test('a batch holds no more weight than allowed, and an item heavier than that goes alone', async () => {
  const { batches, flush } = heldFlush();
  const batch = new MicroBatch(flush, { maxWeight: 10, inFlight: 9 });
  void batch.add('six', 6);
  void batch.add('four', 4);
  void batch.add('thousand', 1_000);
  void batch.add('one', 1);
  await expect.poll(() => batches.map(({ items }) => items)).toEqual([['six', 'four'], ['thousand'], ['one']]);
});

test('a flush that fails fails its own callers only', async () => {
  const { batches, flush } = heldFlush();
  const batch = new MicroBatch(flush, { maxWeight: 1, inFlight: 2 });
  const answers = Promise.allSettled([batch.add('a'), batch.add('b'), batch.add('c')]);
  await expect.poll(() => batches.length).toBe(2);
  batches[0]!.end(new Error('lost'));
  batches[1]!.end();
  await expect.poll(() => batches.length).toBe(3);
  batches[2]!.end();
  expect((await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : (answer.reason as Error).message))).toEqual(['lost', 'b!', 'c!']);
});

test('paced, the first item after a lull leaves at once, and what comes within the pace shares the next batch', async () => {
  const flushed: string[][] = [];
  const batch = new MicroBatch<string, string>(async (items) => (flushed.push(items), items), { maxWeight: 10, inFlight: 2, paceMs: 200 });
  expect(await batch.add('a')).toBe('a');
  const rest = [batch.add('b')];
  await turn();
  rest.push(batch.add('c'));
  await Promise.all(rest);
  expect(flushed).toEqual([['a'], ['b', 'c']]);
});

test('paced, a full batch does not wait', async () => {
  const flushed: string[][] = [];
  const batch = new MicroBatch<string, string>(async (items) => (flushed.push(items), items), { maxWeight: 2, inFlight: 2, paceMs: 60_000 });
  await batch.add('a');
  await Promise.all([batch.add('b'), batch.add('c')]);
  expect(flushed).toEqual([['a'], ['b', 'c']]);
});

test('paced, as many callers as are enough do not wait, however little they bring', async () => {
  const flushed: string[][] = [];
  const batch = new MicroBatch<string, string>(async (items) => (flushed.push(items), items), { maxWeight: 100, inFlight: 2, paceMs: 60_000, enough: 3 });
  await batch.add('a');
  await Promise.all([batch.add('b'), batch.add('c'), batch.add('d')]);
  await Promise.all([batch.add('e'), batch.add('f'), batch.add('g')]);
  expect(flushed).toEqual([['a'], ['b', 'c', 'd'], ['e', 'f', 'g']]);
});

test('says how long the next in line has waited, and for how long nothing has moved', async () => {
  const { batches, flush } = heldFlush();
  const batch = new MicroBatch(flush, { maxWeight: 1, inFlight: 1 });
  expect([batch.delayMs, batch.standingMs]).toEqual([0, 0]);
  const answers = [batch.add('a'), batch.add('b')];
  await turn();
  await vi.waitFor(() => expect(Math.min(batch.delayMs, batch.standingMs)).toBeGreaterThan(20));
  batches[0]!.end();
  await answers[0];
  await turn();
  expect(batch.delayMs).toBe(0);
  expect(batch.standingMs).toBeLessThan(20);
  batches[1]!.end();
  await answers[1];
  expect(batch.standingMs).toBe(0);
});
