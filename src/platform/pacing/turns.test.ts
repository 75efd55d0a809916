import { expect, test } from 'vitest';
import { Turns } from './turns.js';

test('of several works one has its turn between two looks at the world', async () => {
  let looks = 0;
  let working = true;
  const look = (): void => {
    looks++;
    if (working) setImmediate(look);
  };
  setImmediate(look);
  const begun: number[] = [];
  const work = async (): Promise<void> => {
    const turns = new Turns();
    for (let n = 0; n < 20; n++) {
      await turns.next();
      begun.push(looks);
    }
  };
  await Promise.all([work(), work(), work()]);
  working = false;
  expect(begun).toHaveLength(60);
  expect(new Set(begun).size).toBe(60);
});

test('all works come forward in turn', async () => {
  const order: string[] = [];
  const work = async (name: string): Promise<void> => {
    const turns = new Turns();
    for (let n = 0; n < 3; n++) {
      await turns.next();
      order.push(name);
    }
  };
  await Promise.all([work('a'), work('b'), work('c')]);
  expect(order.join('')).toBe('abcabcabc');
});

test('a turn is over after a while, and the next begins anew', async () => {
  const turns = new Turns();
  expect(turns.isOver).toBe(false);
  const until = performance.now() + 5;
  while (performance.now() < until);
  expect(turns.isOver).toBe(true);
  await turns.next();
  expect(turns.isOver).toBe(false);
});
