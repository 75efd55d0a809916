import { expect, test, type TestContext, vi } from 'vitest';
import { eventually } from '../support/eventually.js';
import { ADMIN_KEY } from '../support/house.js';
import { PATIENCE_MS, type Scene, setScene } from './support/scene.js';
import type { Server } from './support/server.js';
import { REDRIVE_CHUNK, REDRIVE_COMMIT, REPLAY_CHUNK, REPLAY_COMMIT } from './support/statements.js';

/** Redrives and replays of some thousands in the middle of which something breaks: each chosen one is sent, and none twice. */

vi.setConfig({ testTimeout: 180_000 });

const COUNT = 2_500;
const ONCE = { base_seconds: 0, max_retries: 0 };

interface Resend { resend_id: string; status: string; total_count: number; done_count: number; skipped_count: number }

async function post(server: Server, path: string, body: object): Promise<Resend> {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  expect(response.status, path).toBeLessThan(300);
  return (await response.json()) as Resend;
}

const restart = async (scene: Scene, server: Server): Promise<Server> => {
  await server.kill();
  return scene.start({ port: Number(new URL(server.url).port) });
};

const ended = (scene: Scene, resendId: string): Promise<Resend> => eventually('the resend to end', async () => {
  const [row] = await scene.sql<Resend>('SELECT * FROM resends WHERE resend_id = $1', [resendId]);
  return row!.status !== 'queued' && row!.status !== 'running' && row!;
}, PATIENCE_MS);

/** Publishes what nobody gets yet. */
async function publish(scene: Scene, server: Server): Promise<void> {
  const events = Array.from({ length: COUNT }, () => scene.publisher.make('calamity.happened'));
  for (let n = 0; n < COUNT; n += 500) {
    const some = events.slice(n, n + 500);
    const members = some.map(({ eventId, eventType, data, metadata }) => `{"event_id":"${eventId}","event_type":"${eventType}","data":${data},"metadata":${metadata}}`);
    const response = await fetch(`${server.url}/v1/events`, { method: 'POST', headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }, body: `{"events":[${members.join()}]}` });
    expect(response.status).toBe(202);
    for (const event of some) event.outcomes.push({ kind: 'acknowledged', eventId: event.eventId!, duplicate: false, ms: 0 });
  }
  await scene.drained();
}

/** A webhook with thousands of dead letters, laid down by hand, and whose receiver is well. */
async function setDead(context: TestContext): Promise<{ scene: Scene; server: Server }> {
  const scene = await setScene(context);
  const server = await scene.start();
  await publish(scene, server);
  const { webhookId } = await scene.webhook('/a', ['calamity.happened'], { retry_policy: ONCE });
  await scene.sql(`
    WITH made AS (
      INSERT INTO deliveries (tenant_id, created_at, delivery_id, webhook_id, event_id, event_recorded_at, event_type, status, attempt_count, completed_at)
      SELECT tenant_id, recorded_at, gen_random_uuid(), $1, event_id, recorded_at, event_type, 'dead', 1, recorded_at FROM events RETURNING *
    )
    INSERT INTO dead_letters (tenant_id, died_at, delivery_id, delivery_created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, error_class, reason)
    SELECT tenant_id, completed_at, delivery_id, created_at, event_recorded_at, webhook_id, event_id, event_type, 1, 'http_5xx', 'HTTP 500' FROM made`, [webhookId]);
  return { scene, server };
}

/** What a redrive has left behind, counted from the attempts: nothing was redriven twice, nothing lost. */
async function expectRedriven(scene: Scene, count: number): Promise<void> {
  await scene.drained();
  const [row] = await scene.sql(`
    SELECT (SELECT count(*)::int FROM deliveries WHERE status = 'succeeded') AS succeeded, (SELECT count(*)::int FROM dead_letters) AS dead,
           (SELECT count(*)::int FROM (SELECT FROM attempts WHERE error_class IS NULL GROUP BY delivery_id HAVING count(*) > 1) twice) AS twice`);
  const [{ interrupted }] = (await scene.sql<{ interrupted: number }>("SELECT count(*)::int AS interrupted FROM attempts WHERE error_class = 'interrupted'")) as [{ interrupted: number }];
  expect(row).toEqual({ succeeded: count, dead: COUNT - count, twice: 0 });
  const taken = scene.receiver.receipts.filter(({ status }) => status === 200);
  expect(new Set(taken.map(({ deliveryId }) => deliveryId)).size).toBe(count);
  // Only what a crash left without an outcome may have been sent twice.
  expect(taken.length).toBeLessThanOrEqual(count + interrupted);
}

test.for([
  ['before its commit', REDRIVE_CHUNK, 'kill'], ['after its commit', REDRIVE_COMMIT, 'kill'], ['whose commit gets no reply', REDRIVE_COMMIT, 'cut'],
] as const)('a redrive broken off in a chunk %s goes on from there: each dead letter is sent once, and the counts are right', async ([, trap, how], context) => {
  const { scene, server } = await setDead(context);
  const caught = scene.proxy.catch({ ...trap, at: 'reply' });
  const { resend_id, total_count } = await post(server, '/v1/dead-letters/redrive', { filter: {} });
  expect(total_count).toBe(COUNT);
  const connection = await caught;
  if (how === 'kill') await restart(scene, server);
  else connection.cut();
  expect(await ended(scene, resend_id)).toMatchObject({ status: 'succeeded', total_count: COUNT, done_count: COUNT, skipped_count: 0 });
  await expectRedriven(scene, COUNT);
});

test.for([
  ['before its commit', REPLAY_CHUNK, 'kill'], ['after its commit', REPLAY_COMMIT, 'kill'], ['whose commit gets no reply', REPLAY_COMMIT, 'cut'],
] as const)('a replay broken off in a chunk %s goes on from there: each event becomes one delivery', async ([, trap, how], context) => {
  const scene = await setScene(context);
  const server = await scene.start();
  await publish(scene, server);
  const { webhookId } = await scene.webhook('/backfill', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...trap, at: 'reply' });
  const { resend_id } = await post(server, `/v1/webhooks/${webhookId}/replay`, { from: '2026-01-01T00:00:00Z' });
  const connection = await caught;
  if (how === 'kill') await restart(scene, server);
  else connection.cut();
  expect(await ended(scene, resend_id)).toMatchObject({ status: 'succeeded', total_count: COUNT, done_count: COUNT, skipped_count: 0 });
  await scene.drained();
  expect(await scene.brokenPromises()).toEqual([]);
});

test('two workers, one of them killed in mid-redrive: the other goes on at once', async (context) => {
  const { scene, server } = await setDead(context);
  await scene.start({ direct: true });
  const { resend_id } = await post(server, '/v1/dead-letters/redrive', { filter: {}, rate_per_second: 500 });
  await eventually('some to be redriven', () => scene.receiver.receipts.length > 400);
  await server.kill();
  expect(await ended(scene, resend_id)).toMatchObject({ status: 'succeeded', done_count: COUNT, skipped_count: 0 });
  await expectRedriven(scene, COUNT);
});

test('a cancel that meets a chunk under way waits for it; after its answer nothing more is queued', async (context) => {
  const { scene, server } = await setDead(context);
  const caught = scene.proxy.catch({ ...REDRIVE_CHUNK, at: 'reply' });
  const { resend_id } = await post(server, '/v1/dead-letters/redrive', { filter: {} });
  const connection = await caught;
  const cancelled = post(server, `/v1/resends/${resend_id}/cancel`, {});
  await eventually('the cancel to wait for the chunk', async () => (await scene.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%resends%' AND datname = current_database()")).length > 0);
  connection.release();
  const { status, done_count } = await cancelled;
  expect([status, done_count]).toEqual(['cancelled', 1_000]);
  await expectRedriven(scene, 1_000);
  expect(await ended(scene, resend_id)).toMatchObject({ status: 'cancelled', done_count: 1_000 });
});
