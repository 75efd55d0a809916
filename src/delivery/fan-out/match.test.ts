import { expect, test } from 'vitest';
import { OPERATIONAL_TYPES } from '../../events/index.js';
import { chooses, EVENT_PATTERN, matches } from './match.js';

test.each<[patterns: string[], type: string, chosen: boolean]>([
  [['*'], 'cost.report', true], [['*'], 'anomaly_detected', true],
  [['cost.report'], 'cost.report', true], [['cost.report'], 'cost.reports', false], [['cost.report'], 'cost', false], [['cost.report'], 'COST.REPORT', false],
  [['cost.*'], 'cost.report', true], [['cost.*'], 'cost.report.daily', true], [['cost.*'], 'cost', false], [['cost.*'], 'costs.report', false], [['cost.*'], 'my.cost.report', false],
  [['a', 'b.*'], 'b.c', true], [['a', 'b.*'], 'c', false], [[], 'a', false],
  [['cost.report.*'], 'cost.report', false], [['a:b/c.*'], 'a:b/c.d', true],
  // A dot in a pattern is a dot.
  [['a.b'], 'axb', false],
])('%j chooses %s: %s', (patterns, type, chosen) => {
  expect(matches(patterns, type)).toBe(chosen);
});

test('operational types are chosen by name or prefix, never by `*`', () => {
  for (const type of OPERATIONAL_TYPES) {
    expect(matches(['*'], type), type).toBe(false);
    expect(matches([type], type), type).toBe(true);
    expect(matches([`${type.split('.')[0]}.*`], type), type).toBe(true);
  }
});

test.each<[events: string[], approved: string[] | null, type: string, chosen: boolean]>([
  [['a.*'], null, 'a.b', true], [['a.*'], null, 'b', false],
  [['a.*'], [], 'a.b', false], [['a.*'], ['a.b'], 'a.b', true], [['a.*'], ['a.b'], 'a.c', false], [['a.b'], ['a.*'], 'a.c', false], [['*'], ['a.*', 'c'], 'c', true], [['c'], ['*'], 'c', true],
  // What `*` leaves out is approved by name or prefix, too.
  [['webhook.*'], ['*'], 'webhook.disabled', false], [['webhook.*'], ['*'], 'webhook.own', true], [['*'], ['webhook.*'], 'webhook.disabled', false], [['webhook.disabled'], ['webhook.*'], 'webhook.disabled', true],
])('the events %j of a webhook with %j approved choose %s: %s', (events, approved, type, chosen) => {
  expect(chooses({ events, approved }, type)).toBe(chosen);
});

test.each(['*', 'a', 'a.*', 'cost.report_ready', 'a.b.*', 'x:y/z-1'])('%s is a pattern', (pattern) => {
  expect(pattern).toMatch(EVENT_PATTERN);
});

test.each(['', '**', '*.a', 'a*', 'a.*.b', '.*', 'a b', 'ä', 'a.**', '*a', 'a\n'])('%j is no pattern', (pattern) => {
  expect(pattern).not.toMatch(EVENT_PATTERN);
});
