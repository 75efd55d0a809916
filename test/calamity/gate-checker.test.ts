import { expect, test, vi } from 'vitest';
import type { Notice } from './support/provider.js';
import { type Scene, setScene } from './support/scene.js';

/** The checker of the front gate is shown what it must find. */

vi.setConfig({ testTimeout: 150_000 });

type Told = Record<'first' | 'other' | 'unnamed' | 'refused', Notice>;

const FORGERIES: [name: string, forge: (scene: Scene, told: Told) => unknown, finding: RegExp][] = [
  ['a notice that is gone', (scene) => scene.sql("DELETE FROM events WHERE metadata ->> 'provider_event_id' = 'evt-first'"), /^I1: acknowledged and not stored/],
  ['a notice without an id that is gone', (scene) => scene.sql("DELETE FROM events WHERE metadata ->> 'provider_event_id' IS NULL AND source_id IS NOT NULL"), /^I1: .* was acknowledged and is not stored/],
  ['a notice stored twice', (scene) => scene.sql("INSERT INTO events SELECT tenant_id, recorded_at, event_id || '-2', event_type, occurred_at, data, metadata, source_id FROM events WHERE metadata ->> 'provider_event_id' = 'evt-first'"), /^I3: stored 2 times/],
  ['a notice without an id stored twice', (scene) => scene.sql("INSERT INTO events SELECT tenant_id, recorded_at, event_id || '-2', event_type, occurred_at, data, metadata, source_id FROM events WHERE metadata ->> 'provider_event_id' IS NULL AND source_id IS NOT NULL"), /^I2: stored 2 times, sent less often/],
  ['a byte that changed', (scene) => scene.sql("UPDATE events SET data = replace(data::text, '1e2', '1e3')::json"), /^I2: stored with bytes that nobody sent/],
  ['a byte that changed beside the data', (scene) => scene.sql("UPDATE events SET body = '\\x00' WHERE body IS NOT NULL"), /^I2: stored with bytes that nobody sent/],
  ['a provider that was never there', (_, { first, other }) => (first.providerEventId = other.providerEventId = 'another'), /^I2: nobody sent evt-first/],
  ['a provider without ids that was never there', (_, { unnamed }) => (unnamed.body = Buffer.from('another')), /^I2: nobody sent the bytes/],
  ['something stored that was refused', (scene, { refused }) => scene.sql("INSERT INTO events SELECT tenant_id, recorded_at, 'forged', event_type, occurred_at, $1::json, '{\"provider_event_id\":\"evt-refused\"}', source_id FROM events WHERE metadata ->> 'provider_event_id' = 'evt-first'", [refused.body.toString()]), /^I2: stored with bytes .* refused/],
  ['a publish stored that was refused', (scene) => (scene.publisher.published[0]!.outcomes = [{ kind: 'answered', status: 422, body: '', ms: 1 }]), /^I2: .* was refused and is stored/],
  ['a conflict that was not kept', (scene) => scene.sql('DELETE FROM inbound_conflicts'), /^I3: other bytes were acknowledged and are in no conflict/],
  ['a conflict with other bytes', (scene) => scene.sql("UPDATE inbound_conflicts SET body = '\\x00'"), /^I2: a conflict of bytes that nobody sent/],
  ['a conflict with another event', (scene) => scene.sql("UPDATE inbound_conflicts SET event_id = 'another'"), /^I3: a conflict with another event/],
  ['a ledger that knows another event', (scene) => scene.sql("UPDATE inbound_ledger SET event_id = 'another'"), /^I3: the ledger knows another event/],
  ['a ledger that has forgotten', (scene) => scene.sql('DELETE FROM inbound_ledger'), /^I3: 0 rows in the ledger, 1 events/],
  ['a repeat that was told another event', (_, { first }) => first.outcomes.push({ kind: 'acknowledged', eventId: 'another', duplicate: true, ms: 1 }), /^I3: a repeat was answered with another event/],
  ['an event that nobody was told of', (_, { first, other }) => [first, other].forEach((notice) => (notice.outcomes = [{ kind: 'acknowledged', eventId: 'another', duplicate: false, ms: 1 }])), /^I3: stored under an id that nobody was told/],
  ['a record that Postgres refused', (scene) => scene.sql("INSERT INTO spool_refused VALUES (gen_random_uuid(), 0, 'forged', '\\x00', now())"), /^I1: an acknowledged record could not be stored: forged/],
  ['a request that hung', (_, { first }) => first.outcomes.push({ kind: 'hung', ms: 10_000 }), /^I9: .*hung/],
  ['an answer that came late', (_, { first }) => first.outcomes.push({ kind: 'answered', status: 503, body: '', ms: 5_001 }), /^I9: .*503.*5001/],
  ['a 500', (_, { first }) => first.outcomes.push({ kind: 'answered', status: 500, body: '', ms: 1 }), /^I9: .*500/],
  ['a refusal of what is good', (_, { first }) => first.outcomes.push({ kind: 'answered', status: 401, body: '', ms: 1 }), /^I9: .*401/],
  ['a connection that broke', (scene) => scene.publisher.published[0]!.outcomes.push({ kind: 'broken', code: 'ECONNRESET', ms: 1 }), /^I9: .*ECONNRESET/],
];

test('the checker of the front gate finds every kind of broken promise', async (context) => {
  const scene = await setScene(context);
  await scene.start({ direct: true });
  const [github, none] = [await scene.provider('github'), await scene.provider('none')];
  const told: Told = { first: github.make({ id: 'evt-first' }), other: github.make({ id: 'evt-first', body: Buffer.from('other bytes') }), unnamed: none.make(), refused: github.make({ id: 'evt-refused', refusable: true }) };
  const bytes = github.make({ id: 'evt-bytes', body: Buffer.from([0, 255, 1]) });
  for (const notice of [told.first, told.first, told.other, bytes]) await github.insist(notice);
  await none.insist(told.unnamed);
  told.refused.outcomes.push({ kind: 'answered', status: 401, body: '', ms: 1 });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  await scene.drained();
  const found = () => scene.brokenPromises({ endsWithinMs: 5_000 });
  expect(await found()).toEqual([]);
  const tables = ['events', 'inbound_ledger', 'inbound_conflicts', 'spool_refused'];
  const [notices, published] = structuredClone([[...github.notices, ...none.notices], scene.publisher.published]) as [Notice[], typeof scene.publisher.published];
  await scene.sql('CREATE SCHEMA kept');
  for (const table of tables) await scene.sql(`CREATE TABLE kept.${table} AS TABLE ${table}`);
  for (const [name, forge, finding] of FORGERIES) {
    await forge(scene, told);
    expect(await found(), name).toContainEqual(expect.stringMatching(finding));
    for (const [index, notice] of [...github.notices, ...none.notices].entries()) Object.assign(notice, structuredClone(notices[index]), { body: Buffer.from(notices[index]!.body) });
    scene.publisher.published.forEach((event, index) => Object.assign(event, structuredClone(published[index])));
    for (const table of tables) await scene.sql(`WITH gone AS (DELETE FROM ${table}) SELECT`).then(() => scene.sql(`INSERT INTO ${table} SELECT * FROM kept.${table}`));
  }
  expect(await found()).toEqual([]);
});
