import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Courtesy } from './courtesy.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const nothing = async (): Promise<void> => {};

/** Others wait `ms` each for so long, while work in bulk goes on; then how many starts per second bulk is given. */
async function startsPerSecond(courtesy: Courtesy, seconds: number, ms: number): Promise<number> {
  let starts = 0;
  for (let n = 0; n < 100 * seconds; n++) {
    courtesy.noteDelay('quiet', 'start', ms);
    await vi.advanceTimersByTimeAsync(10);
    const now = Math.min(30, courtesy.startable);
    for (let n = 0; n < now; n++) courtesy.noteStart('bulk');
    if (n >= 100 * (seconds - 1)) starts += now;
  }
  return starts;
}

/** What others wait while nobody is in bulk. */
async function calm(courtesy: Courtesy, ms: number): Promise<void> {
  for (let n = 0; n < 1_000; n++) {
    courtesy.noteDelay('quiet', 'start', ms);
    await vi.advanceTimersByTimeAsync(10);
  }
}

test('as long as only one kind is about, work runs at once, side by side and whole', async () => {
  const courtesy = new Courtesy();
  const parts: number[][] = [];
  let running = 0;
  let most = 0;
  await Promise.all([1, 2, 3].map(() => courtesy.run(['bulk'], async (inParts) => {
    most = Math.max(most, ++running);
    await inParts(Array.from({ length: 1_000 }, (_, n) => n), async (part) => void parts.push(part));
    running--;
  })));
  expect(most).toBe(3);
  expect(parts.map(({ length }) => length)).toEqual([1_000, 1_000, 1_000]);
  expect(courtesy.startable).toBe(Number.POSITIVE_INFINITY);
});

test('beside others, work in bulk is done one piece at a time, in small parts, and answers as if it were whole', async () => {
  const courtesy = new Courtesy();
  courtesy.noteDelay('quiet', 'start', 1);
  let running = 0;
  const work = courtesy.run(['bulk'], (inParts) => inParts([...Array(120).keys()], async (part) => {
    expect(++running).toBe(1);
    courtesy.noteDelay('quiet', 'start', 1);
    await new Promise((resolve) => setTimeout(resolve, 2));
    running--;
    return part;
  }));
  const other = courtesy.run(['bulk'], async () => expect(running).toBe(0));
  await vi.advanceTimersByTimeAsync(2_000);
  const results = await work;
  await other;
  expect(results.length).toBeGreaterThan(1);
  expect(results.flat()).toEqual([...Array(120).keys()]);
});

test('a piece that fails lets the next one through', async () => {
  const courtesy = new Courtesy();
  courtesy.noteDelay('quiet', 'start', 1);
  const failing = courtesy.run(['bulk'], async () => Promise.reject(new Error('no')));
  const next = courtesy.run(['bulk'], async () => 'done');
  await expect(failing).rejects.toThrow('no');
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await next).toBe('done');
});

test('the share of what is in bulk grows while others wait no longer than in calm times, and is cut when they do', async () => {
  const courtesy = new Courtesy();
  await calm(courtesy, 10);
  await courtesy.run(['bulk'], nothing);
  const begun = await startsPerSecond(courtesy, 1, 10);
  const grown = await startsPerSecond(courtesy, 10, 15);
  expect(grown).toBeGreaterThan(3 * begun);
  const cut = await startsPerSecond(courtesy, 3, 40);
  expect(cut).toBeLessThan(grown / 4);
  // Never to nothing.
  expect(await startsPerSecond(courtesy, 10, 1_000)).toBeGreaterThan(100);
});

test('what is in bulk in a thread is told its share: all when it is alone, little beside others who wait longer than in calm times', async () => {
  const courtesy = new Courtesy();
  await calm(courtesy, 10);
  const beside = async (seconds: number, ms: number): Promise<number> => {
    for (let n = 0; n < 100 * seconds; n++) {
      courtesy.noteDelay('quiet', 'append', ms);
      courtesy.shareOfBulk();
      await vi.advanceTimersByTimeAsync(10);
    }
    return courtesy.shareOfBulk();
  };
  expect(await beside(10, 12)).toBe(1);
  expect(await beside(3, 100)).toBe(1 / 16);
  expect(await beside(2, 12)).toBeGreaterThan(1 / 8);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(courtesy.shareOfBulk()).toBe(1);
});

test('a tenant in bulk rests after what was done for it, another does not, and nobody when there is nobody else', async () => {
  const courtesy = new Courtesy();
  const rested = async (tenantId: string): Promise<number> => {
    const begun = performance.now();
    const ended = courtesy.rest(tenantId, begun - 2).then(() => performance.now());
    await vi.advanceTimersByTimeAsync(200);
    return (await ended) - begun;
  };
  await courtesy.run(['bulk'], nothing);
  expect(await rested('bulk')).toBe(0);
  courtesy.noteDelay('quiet', 'start', 1);
  // What was done took 2 ms, and at first its share of the time is small.
  expect(await rested('bulk')).toBeGreaterThan(10);
  courtesy.noteDelay('quiet', 'start', 1);
  expect(await rested('quiet')).toBe(0);
});

test('when the others have gone, nothing is held any more', async () => {
  const courtesy = new Courtesy();
  await calm(courtesy, 10);
  await courtesy.run(['bulk'], nothing);
  expect(courtesy.startable).toBeLessThan(100);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(courtesy.startable).toBe(Number.POSITIVE_INFINITY);
});

test('a tenant that was in bulk a moment ago is not its own neighbour', async () => {
  const courtesy = new Courtesy();
  courtesy.noteDelay('bulk', 'start', 1_000);
  await courtesy.run(['bulk'], nothing);
  courtesy.noteDelay('bulk', 'start', 1_000);
  expect(courtesy.startable).toBe(Number.POSITIVE_INFINITY);
  courtesy.noteDelay('quiet', 'start', 1_000);
  expect(courtesy.startable).toBeLessThan(100);
});
