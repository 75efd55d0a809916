import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { Outage } from '../../src/platform/db/outage.js';
import { Remembered } from '../../src/platform/remembered.js';

test('whoever tries keys that nobody has drives out none that somebody has: those serve on in an outage', async () => {
  const outage = new Outage('postgres://nobody@127.0.0.1:1/none', pino({ level: 'silent' }));
  onTestFinished(() => outage.onApplicationShutdown());
  const asked: string[] = [];
  const remembered = new Remembered<string | null>(outage, async (key) => (asked.push(key), key.startsWith('guess') ? null : `of ${key}`), { freshMs: 60_000, entries: 3 });
  await remembered.get('mine');
  for (let n = 0; n < 50; n++) expect(await remembered.get(`guess-${n}`)).toBe(null);
  await remembered.get('guess-49');
  // Not asked for again while it is fresh, and only so many are remembered.
  expect(asked.filter((key) => key === 'guess-49')).toHaveLength(1);
  await remembered.get('guess-0');
  expect(asked.filter((key) => key === 'guess-0')).toHaveLength(2);
  outage.begin(new Error('away'));
  expect(await remembered.get('mine')).toBe('of mine');
  await expect(remembered.get('another')).rejects.toMatchObject({ code: 'unavailable' });
});
