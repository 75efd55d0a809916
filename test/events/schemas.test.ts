import { expect, test } from 'vitest';
import { findIncompatibilities } from '../../src/events/schemas/compatibility.js';
import { compileSchema } from '../../src/events/schemas/compile.js';
import { findSchemaFaults } from '../../src/events/schemas/read-schema.js';
import { Maker } from '../support/random-schemas.js';

test('whenever a pair is said to be compatible, the new schema accepts each document that the old one accepts: 600 random pairs, with ajv to judge', () => {
  const counts = { compatible: 0, changed: 0, accepted: 0 };
  for (let seed = 1; seed <= 600; seed++) {
    const maker = new Maker(seed);
    const older = maker.schema();
    const newer = maker.mutate(older);
    if (findSchemaFaults(older).length > 0 || findSchemaFaults(newer).length > 0) continue;
    if (findIncompatibilities(older, newer, 'backward').length > 0) continue;
    counts.compatible++;
    if (JSON.stringify(older) !== JSON.stringify(newer)) counts.changed++;
    const [old, now] = [compileSchema(older), compileSchema(newer)];
    for (let n = 0; n < 50; n++) {
      const document = maker.document(n % 2 ? newer : older);
      if (old.faultsOf(document).length > 0) continue;
      counts.accepted++;
      expect(now.faultsOf(document), JSON.stringify({ seed, older, newer, document })).toEqual([]);
    }
  }
  expect(counts.changed).toBeGreaterThan(50);
  expect(counts.accepted).toBeGreaterThan(2_000);
}, 120_000);
