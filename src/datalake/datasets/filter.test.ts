import { describe, expect, test } from 'vitest';
import { defineDataset } from './dataset.js';
import { readFilter } from './filter.js';
import { selectOf } from './rows.sql.js';

const things = defineDataset({
  name: 'things', fileName: 'things', description: '', schemaVersion: 1, scope: 'events:read', table: 'things', day: 'at', order: ['at'],
  columns: {
    at: { type: 'timestamp', description: '' },
    on: { type: 'date', description: '' },
    name: { type: 'text', nullable: true, description: '' },
    id: { type: 'uuid', description: '' },
    flag: { type: 'boolean', description: '' },
    count: { type: 'integer', description: '' },
    weight: { type: 'double', description: '' },
    cost: { type: { decimal: 21 }, description: '' },
    tags: { type: 'json', description: '' },
    notes: { type: 'json', nullable: true, description: '' },
  },
});

const ID = '018f4e2a-0000-7abc-8def-0123456789ab';

/** The conditions that a filter adds to a statement. */
const sqlOf = (filter: unknown): string => {
  const read = readFilter(things, filter);
  if (Array.isArray(read)) throw new Error(JSON.stringify(read));
  return selectOf(things, { tenantId: ID, from: '2026-01-01', to: '2026-01-02', filter: read }).split(`'2026-01-02T00:00:00Z'::timestamptz`)[1]!.split('\n ORDER BY')[0]!.replace(/^ AND /, '');
};

describe('a filter becomes conditions, typed by the column', () => {
  test.each<[unknown, string]>([
    [{ name: 'x' }, `r.name = 'x'::text`],
    [{ name: null }, 'r.name IS NULL'],
    [{ name: { ne: null } }, 'r.name IS DISTINCT FROM NULL'],
    [{ name: { ne: 'x' } }, `r.name IS DISTINCT FROM 'x'::text`],
    [{ name: { in: ['a', 'b'] } }, `r.name IN ('a'::text, 'b'::text)`],
    [{ name: { prefix: '50%_' } }, `starts_with(r.name, '50%_'::text)`],
    [{ id: ID }, `r.id = '${ID}'::uuid`],
    [{ flag: false }, 'r.flag = false'],
    [{ count: { gt: -3, lte: 7 } }, `r.count > '-3'::bigint AND r.count <= '7'::bigint`],
    [{ weight: { lt: 1e-7 } }, `r.weight < '1e-7'::float8`],
    [{ cost: '143227.763678187615017991050' }, `r.cost = '143227.763678187615017991050'::numeric`],
    [{ cost: { gte: 0.5 } }, `r.cost >= '0.5'::numeric`],
    [{ on: { in: ['2024-02-29'] } }, `r.on IN ('2024-02-29'::date)`],
    [{ at: { gte: '2026-01-01T02:00:00+02:00' } }, `r.at >= '2026-01-01T00:00:00.000Z'::timestamptz`],
    [{ notes: null }, 'r.notes IS NULL'],
    [{ count: 1, flag: true }, `r.count = '1'::bigint AND r.flag = true`],
  ])('%j', (filter, sql) => expect(sqlOf(filter)).toBe(sql));
});

describe('what is wrong with a filter is said at its place', () => {
  test.each<[unknown, string]>([
    [null, '/filter'], [[], '/filter'], ['name', '/filter'], [{}, '/filter'],
    [{ nope: 1 }, '/filter/nope'], [{ 'a/b~': 1 }, '/filter/a~1b~0'], [JSON.parse('{"__proto__":1}'), '/filter/__proto__'], [{ constructor: 1 }, '/filter/constructor'],
    [{ 'name"; DROP TABLE things; --': 1 }, '/filter/name"; DROP TABLE things; --'], [{ 'r.name': 'x' }, '/filter/r.name'], [{ tenant_id: ID }, '/filter/tenant_id'],
    [{ name: {} }, '/filter/name'], [{ name: { like: 'x' } }, '/filter/name/like'], [{ name: { gt: 'x' } }, '/filter/name/gt'], [{ name: { toString: 'x' } }, '/filter/name/toString'],
    [{ name: 1 }, '/filter/name'], [{ name: 'a\0' }, '/filter/name'], [{ name: 'x'.repeat(1001) }, '/filter/name'], [{ name: { in: [] } }, '/filter/name/in'],
    [{ name: { in: 'x' } }, '/filter/name/in'], [{ name: { in: ['x', null] } }, '/filter/name/in/1'], [{ name: { in: Array.from({ length: 1001 }, String) } }, '/filter/name/in'],
    [{ id: `${ID}'` }, '/filter/id'], [{ id: null }, '/filter/id'], [{ flag: 'true' }, '/filter/flag'], [{ flag: { gt: true } }, '/filter/flag/gt'],
    [{ count: 1.5 }, '/filter/count'], [{ count: '1' }, '/filter/count'], [{ count: 2 ** 53 }, '/filter/count'], [{ cost: '1e5' }, '/filter/cost'], [{ cost: 'NaN' }, '/filter/cost'],
    [{ cost: `0'::numeric OR true --` }, '/filter/cost'], [{ cost: '1'.repeat(39) }, '/filter/cost'], [{ on: '2026-02-30' }, '/filter/on'], [{ on: '2026-01-01T00:00:00Z' }, '/filter/on'],
    [{ at: '2026-01-01' }, '/filter/at'], [{ at: 'infinity' }, '/filter/at'], [{ tags: null }, '/filter/tags'], [{ tags: { eq: '{}' } }, '/filter/tags/eq'], [{ notes: '{}' }, '/filter/notes'],
  ])('%j', (filter, pointer) => {
    const faults = readFilter(things, filter);
    expect(Array.isArray(faults) && faults.map((fault) => fault.pointer)).toEqual([pointer]);
  });

  test('all of them at once', () => {
    expect(readFilter(things, { nope: 1, count: 'x', name: { in: [1, 'ok', 2] } })).toHaveLength(4);
  });
});

describe('a text stays one literal, whatever it holds', () => {
  test.each([`'`, `''`, `\\'`, `\\`, `'; DROP TABLE things; --`, `$$`, `E'\\''`, `%s$1`, '\u2019', '\n'])('%j', (text) => {
    const sql = sqlOf({ name: text });
    const [, escaped, inside] = /^r\.name = {1,2}(E?)'(.*)'::text$/s.exec(sql)!;
    expect(inside!.replaceAll(`''`, '').includes(`'`)).toBe(false);
    const plain = inside!.replaceAll(`''`, `'`);
    expect(escaped ? plain.replaceAll('\\\\', '\\') : plain).toBe(text);
  });
});

test('a declaration that cannot work is not started with', () => {
  const good = { name: 'a', fileName: 'a', description: '', schemaVersion: 1, scope: 'events:read', table: 'a', day: 'at', order: ['at'], columns: { at: { type: 'timestamp', description: '' } } } as const;
  expect(defineDataset(good).order).toHaveLength(1);
  for (const wrong of [{ name: '../a' }, { name: 'Robert"' }, { fileName: 'a/b' }, { table: 'a; --' }, { day: 'nope' }, { order: ['nope'] }, { columns: { at: { type: 'text', description: '' } } }, { columns: { at: { type: 'timestamp', description: '', nullable: true } } }, { columns: { at: { type: 'timestamp', description: '' }, year: { type: 'integer', description: '' } } }]) {
    expect(() => defineDataset({ ...good, ...wrong } as never), JSON.stringify(wrong)).toThrow('dataset');
  }
});
