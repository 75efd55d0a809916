import { expect, test } from 'vitest';
import { follow, GENESIS, hashOf, type Link } from './audit-chain.js';
import type { AuditRow } from './audit.sql.js';

const START: Link = { sequence: 0n, hash: GENESIS };

function chainOf(count: number): AuditRow[] {
  const rows: AuditRow[] = [];
  for (let n = 1; n <= count; n++) {
    const row = {
      tenant_id: '018f4e2a-0000-7abc-8def-0123456789ab', sequence: BigInt(n), recorded_at: new Date(n), key_id: '018f4e2a-0000-7abc-8def-0123456789ac', request_id: n % 2 ? 'r' : null,
      action: 'a.b', subject_type: 'a', subject_id: 's', before: null, after: `{"n": ${n}}`, previous_hash: rows.at(-1)?.hash ?? GENESIS,
    };
    rows.push({ ...row, hash: hashOf(row) });
  }
  return rows;
}

test('the hash of a record is the documented one', () => {
  // Computed with Python's hashlib.
  expect(Buffer.from(chainOf(1)[0]!.hash).toString('hex')).toBe('6e692a0f97f3478a7b23020482ddc435890a11f1087a7a6973a4dad7762e4161');
});

test('a whole chain is followed to its end, in one go or in parts', () => {
  const rows = chainOf(5);
  const end = { sequence: 5n, hash: rows[4]!.hash };
  expect(follow(START, rows)).toEqual(end);
  expect(follow(follow(START, rows.slice(0, 2)) as Link, rows.slice(2))).toEqual(end);
  expect(follow(START, [])).toEqual(START);
});

test.each<[member: keyof AuditRow, value: AuditRow[keyof AuditRow]]>([
  ['tenant_id', '018f4e2a-0000-7abc-8def-0123456789ad'], ['recorded_at', new Date(4)], ['key_id', '018f4e2a-0000-7abc-8def-0123456789ad'], ['request_id', null], ['action', 'a.c'],
  ['subject_type', 'b'], ['subject_id', 't'], ['before', '{}'], ['after', '{"n":3}'], ['after', null],
])('a changed %s is found at its record', (member, value) => {
  const rows = chainOf(5);
  Object.assign(rows[2]!, { [member]: value });
  expect(follow(START, rows)).toMatchObject({ sequence: 3n });
});

test('a record changed and hashed anew is found at the one after it', () => {
  const rows = chainOf(5);
  rows[2]!.action = 'forged';
  rows[2]!.hash = hashOf(rows[2]!);
  expect(follow(START, rows)).toMatchObject({ sequence: 4n, reason: expect.stringContaining('continue') });
});

test('a missing, doubled or moved record is found', () => {
  const [one, two, three] = chainOf(3) as [AuditRow, AuditRow, AuditRow];
  expect(follow(START, [one, three])).toMatchObject({ sequence: 2n, reason: expect.stringContaining('missing') });
  expect(follow(START, [two, three])).toMatchObject({ sequence: 1n });
  expect(follow(START, [one, one, two])).toMatchObject({ sequence: 2n });
  expect(follow(START, [one, three, two])).toMatchObject({ sequence: 2n });
});
