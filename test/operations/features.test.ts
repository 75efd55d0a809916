import { expect, test } from 'vitest';
import { defineFeature, Features } from '../../src/features/index.js';
import { eventually } from '../support/eventually.js';
import { givenTenant } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';

const trial = defineFeature({ name: 'test.trial', description: 'Only here.', percentage: 5 });
const house = useHouse();
const neighbour = useNeighbour(house);
const SUBJECTS = Array.from({ length: 2_000 }, (_, n) => `subject-${n}`);

const chosen = (app: typeof house.app): string[] => SUBJECTS.filter((subject) => app.get(Features).isOn(trial, subject));
const rollOut = (percentage: unknown, more: object = {}) => house.api.put('/v1/operations/features/test.trial').send({ percentage, ...more });

test('features are listed as far as they are declared, until somebody says otherwise', async () => {
  const { data } = (await house.api.get('/v1/operations/features').expect(200)).body;
  expect(data.map(({ name }: { name: string }) => name)).toEqual(['admission.shedding', 'test.trial']);
  expect(data[1]).toEqual({ name: 'test.trial', description: 'Only here.', percentage: 5, default_percentage: 5, note: null, changed_at: null });
});

test('a roll-out by degrees only adds subjects, the same ones in every process, within a second', async () => {
  let before: string[] = [];
  for (const percentage of [0, 5, 25, 50, 100]) {
    expect((await rollOut(percentage, { note: `to ${percentage}` }).expect(200)).body).toMatchObject({ percentage, note: `to ${percentage}`, default_percentage: 5, changed_at: expect.any(String) });
    const now = chosen(house.app);
    await eventually('the other process to do the same', () => chosen(neighbour.app).length === now.length, 1_500);
    expect(chosen(neighbour.app)).toEqual(now);
    expect(before.filter((subject) => !now.includes(subject))).toEqual([]);
    expect(Math.abs((100 * now.length) / SUBJECTS.length - percentage)).toBeLessThan(3.5);
    before = now;
  }
  expect((await neighbour.api.get('/v1/operations/features').expect(200)).body.data[1]).toMatchObject({ percentage: 100 });
});

test('a roll-out is on record, with what was before', async () => {
  await rollOut(25, { note: 'looks good' }).expect(200);
  await rollOut(50).expect(200);
  const [record] = (await house.api.get('/v1/audit-log?action=feature.rolled-out').expect(200)).body.data;
  expect(record).toMatchObject({ subject_id: 'test.trial', before: { percentage: 25, note: 'looks good' }, after: { percentage: 50, note: null } });
});

test.each([[-1, '/percentage'], [101, '/percentage'], [1.5, '/percentage'], ['50', '/percentage'], [null, '/percentage'], [undefined, '/percentage']])('%j percent are refused', async (percentage, pointer) => {
  const { body } = await rollOut(percentage).expect(422);
  expect(body.errors).toEqual([{ pointer, detail: expect.any(String) }]);
});

test('a feature that nobody declared is not there, and only operators see or turn any', async () => {
  await house.api.put('/v1/operations/features/nonsense').send({ percentage: 5 }).expect(404);
  const tenant = house.as(await givenTenant(house));
  await tenant.get('/v1/operations/features').expect(403);
  await tenant.put('/v1/operations/features/test.trial').send({ percentage: 0 }).expect(403);
});
