import { expect, test } from 'vitest';
import { deliveryOf, endOf, givenEvent, givenTenant, givenWebhook, QUICK } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

const ONCE = { ...QUICK, max_retries: 0 };
const MISSING = '018f4e2a-0000-7abc-8def-0123456789ab';
const time = (aheadMs = 0): string => new Date(house.clock.now() + aheadMs).toISOString();
const at = (path: string): string[] => receiver.requests.filter((request) => request.path === path).map(({ event }) => event.event_id);
const post = async (path: string, body: object, status = 202) => (await house.api.post(path).send(body).expect(status)).body;
const replay = (webhookId: string, body: object, status?: number) => post(`/v1/webhooks/${webhookId}/replay`, body, status);
const recover = (webhookId: string, body: object, status?: number) => post(`/v1/webhooks/${webhookId}/recover`, body, status);
const redrive = (body: object) => post('/v1/dead-letters/redrive', body);
const deliveriesTo = (webhookId: string) => house.sql<{ event_id: string; status: string; resend_id: string | null; triggers: string[] }>(`
  SELECT event_id, status, resend_id, (SELECT array_agg(a.trigger ORDER BY a.attempt) FROM attempts a WHERE a.delivery_id = d.delivery_id) AS triggers
    FROM deliveries d WHERE webhook_id = $1 ORDER BY delivery_id`, [webhookId]);
const disable = (webhookId: string) => house.sql("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'Gone.', is_active = false, version = version + 1 WHERE webhook_id = $1", [webhookId]);
const enable = (webhookId: string) => house.api.patch(`/v1/webhooks/${webhookId}`).send({ is_active: true }).expect(200);
const fannedOut = () => eventually('everything to be fanned out', async () => (await house.sql("SELECT FROM pgboss.job WHERE state < 'completed'")).length === 0);

/** The ids of `count` events of a type that nobody gets. */
async function givenEvents(type: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => `${type}-${String(n).padStart(5, '0')}`);
  for (let from = 0; from < count; from += 1_000) {
    await house.api.post('/v1/events').send({ events: ids.slice(from, from + 1_000).map((event_id) => ({ event_id, event_type: type, data: {} })) }).expect(202);
  }
  await fannedOut();
  return ids;
}

/** A webhook with `count` dead letters, laid down by hand: so many failures would open its circuit. */
async function givenDead(path: string, count: number): Promise<{ webhook_id: string; eventIds: string[] }> {
  const eventIds = await givenEvents(`dead.${path}`, count);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/${path}`, { events: [`dead.${path}`], retry_policy: ONCE });
  await house.sql(`
    WITH made AS (
      INSERT INTO deliveries (tenant_id, created_at, delivery_id, webhook_id, event_id, event_recorded_at, event_type, status, attempt_count, completed_at)
      SELECT tenant_id, recorded_at, gen_random_uuid(), $1, event_id, recorded_at, event_type, 'dead', 1, recorded_at FROM events WHERE event_type = $2 RETURNING *
    )
    INSERT INTO dead_letters (tenant_id, died_at, delivery_id, delivery_created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, error_class, reason)
    SELECT tenant_id, completed_at, delivery_id, created_at, event_recorded_at, webhook_id, event_id, event_type, 1, 'http_5xx', 'HTTP 500' FROM made`, [webhook_id, `dead.${path}`]);
  return { webhook_id, eventIds };
}

test('a time span is replayed to a webhook made afterwards: each matching event once, oldest first, as a new delivery', async () => {
  const from = time();
  const ids = await givenEvents('span.a', 2_500);
  await givenEvents('other.a', 3);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/span`, { events: ['span.*'] });
  expect(await replay(webhook_id, { from, dry_run: true, rate_per_second: 100 })).toEqual({ dry_run: true, count: 2_500, webhooks: [{ webhook_id, count: 2_500 }], skipped: [], estimated_seconds: 25 });
  expect(await house.sql('SELECT FROM resends WHERE webhook_id = $1', [webhook_id])).toEqual([]);
  const made = await replay(webhook_id, { from });
  expect(made).toMatchObject({ kind: 'replay', webhook_id, dry_run: false, count: 2_500, total_count: 2_500, rate_per_second: null });
  expect(await endOf(house, made.resend_id)).toMatchObject({ status: 'succeeded', done_count: 2_500, skipped_count: 0, progress: 1, estimated_seconds_left: 0, error: null });
  await receiver.received(2_500, '/span');
  expect(at('/span').sort()).toEqual(ids);
  const rows = await deliveriesTo(webhook_id);
  expect(rows.map(({ event_id }) => event_id)).toEqual(ids);
  expect(new Set(rows.map(({ resend_id }) => resend_id))).toEqual(new Set([made.resend_id]));
  await eventually('all to succeed', async () => (await deliveriesTo(webhook_id)).every(({ status, triggers }) => status === 'succeeded' && triggers.join() === 'replay'));
});

test('a replay sends the same bytes under the same webhook-id, beside the delivery that was', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/again`, { events: ['again'] });
  const eventId = await givenEvent(house, 'again', { n: 1 });
  await deliveryOf(house, eventId, 'succeeded');
  await endOf(house, (await replay(webhook_id, { event_ids: [eventId, eventId] })).resend_id);
  const [first, second] = await receiver.received(2, '/again');
  expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
  expect(second!.headers['x-webhook-delivery']).not.toBe(first!.headers['x-webhook-delivery']);
  expect(second!.body.equals(first!.body)).toBe(true);
  expect(await deliveriesTo(webhook_id)).toHaveLength(2);
});

test('a replay respects the patterns of the webhook and those given, unless events are named; tests and news about the webhook itself stay out', async () => {
  const from = time();
  const [wanted] = await givenEvents('pat.wanted', 1);
  await givenEvents('pat.not', 1);
  const [unmatched] = await givenEvents('unmatched', 1);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/pat`, { events: ['pat.*', 'delivery.*'] });
  await post(`/v1/webhooks/${webhook_id}/test`, { event_type: 'pat.wanted' }, 200);
  const own = await givenEvent(house, 'delivery.exhausted', { webhook_id });
  await fannedOut();
  receiver.requests.length = 0;
  expect(await replay(webhook_id, { from, event_types: ['pat.wanted', 'unmatched', 'delivery.*'], dry_run: true })).toMatchObject({ count: 1 });
  await endOf(house, (await replay(webhook_id, { from, event_types: ['pat.wanted', 'unmatched', 'delivery.*'] })).resend_id);
  const named = await replay(webhook_id, { event_ids: [unmatched, own, 'nobody'] });
  expect(named).toMatchObject({ count: 1, skipped: [{ reason: 'event_not_found', count: 1 }], selection: { event_ids: [unmatched, own, 'nobody'] } });
  await endOf(house, named.resend_id);
  await receiver.received(2, '/pat');
  expect(at('/pat').sort()).toEqual([wanted, unmatched].sort());
});

test('a replay respects the filter of the webhook, unless events are named, and the order of its keys', async () => {
  const from = time();
  const ids: string[] = [];
  for (const n of [1, 2, 3, 4]) ids.push(await givenEvent(house, 'sieved', { n, who: n % 2 ? 'odd' : 'even' }));
  await fannedOut();
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/sieved`, { events: ['sieved'], filter: { data: { n: { $gt: 1 } } }, ordered: true, order_key: 'data.who' });
  expect(await endOf(house, (await replay(webhook_id, { from })).resend_id)).toMatchObject({ status: 'succeeded', total_count: 4, done_count: 3, skipped_count: 1 });
  await receiver.received(3, '/sieved');
  expect(at('/sieved').sort()).toEqual(ids.slice(1).sort());
  expect(at('/sieved').indexOf(ids[1]!)).toBeLessThan(at('/sieved').indexOf(ids[3]!));
  await endOf(house, (await replay(webhook_id, { event_ids: [ids[0]] })).resend_id);
  await receiver.received(4, '/sieved');
  expect(at('/sieved')).toContain(ids[0]);
});

test('a replay in several chunks sends the events of one batch in their order', async () => {
  const from = time();
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  await house.api.post('/v1/events').send({ events: numbers.map((n) => ({ event_type: 'batched', data: { n } })) }).expect(202);
  await fannedOut();
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/batched`, { events: ['batched'], ordered: true, is_active: false });
  const { resend_id } = await replay(webhook_id, { from, rate_per_second: 50 });
  await eventually('it to be queued', async () => (await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1', [webhook_id])).length === 40);
  await enable(webhook_id);
  await endOf(house, resend_id);
  await receiver.received(40, '/batched');
  expect(receiver.requests.filter(({ path }) => path === '/batched').map(({ event }) => event.data.n)).toEqual(numbers);
});

test('a redrive to an ordered webhook stands in line again, and lets a line go on that stood still', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/line`, { events: ['line'], ordered: true, order_key: 'data.who', retry_policy: ONCE });
  receiver.answer = () => 500;
  const first = await givenEvent(house, 'line', { who: 'a' });
  await deliveryOf(house, first, 'dead');
  const second = await givenEvent(house, 'line', { who: 'a' });
  await deliveryOf(house, second, 'pending');
  receiver.answer = () => 200;
  receiver.requests.length = 0;
  expect(await endOf(house, (await redrive({ filter: { webhook_id } })).resend_id)).toMatchObject({ done_count: 1 });
  await deliveryOf(house, second, 'succeeded');
  expect(at('/line')).toEqual([first, second]);
});

test('what a replay chooses is fixed when it is made: patterns changed and events published later are not its own', async () => {
  const ids = await givenEvents('fixed', 3);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/fixed`, { events: ['fixed'], is_active: false });
  const { resend_id } = await replay(webhook_id, { from: time(-60_000), rate_per_second: 1 });
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ events: ['else'], is_active: true }).expect(200);
  await givenEvent(house, 'fixed');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ events: ['fixed'] }).expect(200);
  expect(await endOf(house, resend_id)).toMatchObject({ status: 'succeeded', done_count: 3 });
  await receiver.received(3, '/fixed');
  expect(at('/fixed')).toEqual(ids);
});

test('recover sends what died and what was missed while disabled, and leaves alone what succeeded', async () => {
  const since = time();
  receiver.answer = ({ event }) => (event.data.bad ? 500 : 200);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/rec`, { events: ['rec.*'], retry_policy: ONCE });
  const good = await givenEvent(house, 'rec.a');
  const dead = await givenEvent(house, 'rec.a', { bad: true });
  const healed = await givenEvent(house, 'rec.a', { bad: true });
  await deliveryOf(house, good, 'succeeded');
  await deliveryOf(house, dead, 'dead');
  await deliveryOf(house, healed, 'dead');
  receiver.answer = () => 200;
  // Sent once more as a replay, it has reached the webhook although its first delivery is dead.
  await endOf(house, (await replay(webhook_id, { event_ids: [healed] })).resend_id);
  await deliveryOf(house, healed, 'succeeded');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: false }).expect(200);
  const waits = await givenEvent(house, 'rec.a');
  await deliveryOf(house, waits, 'pending');
  await disable(webhook_id);
  const missed = await givenEvent(house, 'rec.b');
  await givenEvent(house, 'not.rec');
  await fannedOut();
  expect(await recover(webhook_id, { since }, 409)).toMatchObject({ code: 'conflict', detail: expect.stringContaining('disabled') });
  receiver.requests.length = 0;
  // Disabling gives up what waits.
  await eventually('the waiting one to be dead too', async () => (await house.sql("SELECT FROM dead_letters WHERE event_id = $1", [waits])).length === 1);
  await enable(webhook_id);
  expect(await recover(webhook_id, { since, dry_run: true })).toMatchObject({ count: 3, webhooks: [{ webhook_id, count: 3 }], skipped: [] });
  const { resend_id } = await recover(webhook_id, { since });
  house.clock.advance(10_000);
  expect(await endOf(house, resend_id)).toMatchObject({ status: 'succeeded', done_count: 3, total_count: 3, skipped_count: 0 });
  await receiver.received(3, '/rec');
  expect(at('/rec').sort()).toEqual([dead, waits, missed].sort());
  const again = await recover(webhook_id, { since });
  house.clock.advance(10_000);
  expect(await endOf(house, again.resend_id)).toMatchObject({ status: 'succeeded', done_count: 0 });
});

test('recover right after re-enabling under load doubles nothing: it waits until the fan-out has been through', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/load`, { events: ['load'] });
  const since = time();
  await disable(webhook_id);
  const load = { running: true };
  const ids: string[] = [];
  const ended = (async () => {
    while (load.running) ids.push(await givenEvent(house, 'load'));
  })();
  await eventually('some to be missed', () => ids.length > 20);
  await enable(webhook_id);
  const { resend_id } = await recover(webhook_id, { since });
  await eventually('some to be delivered', () => ids.length > 60);
  load.running = false;
  await ended;
  await fannedOut();
  house.clock.advance(10_000);
  expect((await endOf(house, resend_id)).status).toBe('succeeded');
  await receiver.received(ids.length, '/load');
  expect((await deliveriesTo(webhook_id)).map(({ event_id }) => event_id).sort()).toEqual([...ids].sort());
});

test('recover of a webhook made later does not reach back before it: that is a replay', async () => {
  await givenEvents('before', 2);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/before`, { events: ['before'] });
  expect(await recover(webhook_id, { since: time(-3_600_000), dry_run: true })).toMatchObject({ count: 0, webhooks: [] });
});

test('a rate is kept, also over a pause of the webhook', async () => {
  const { webhook_id } = await givenDead('paced', 12);
  const { resend_id, estimated_seconds } = await redrive({ filter: { webhook_id }, rate_per_second: 6 });
  expect(estimated_seconds).toBe(2);
  await receiver.received(3, '/paced');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: false }).expect(200);
  // As long as it takes no matter: no more than one second's worth stands in the queue.
  await eventually('the queue to fill up', async () => (await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1 AND claimed_by IS NULL', [webhook_id])).length >= 5);
  expect((await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1', [webhook_id])).length).toBeLessThanOrEqual(6);
  await enable(webhook_id);
  expect(await endOf(house, resend_id)).toMatchObject({ status: 'succeeded', done_count: 12 });
  await receiver.received(12, '/paced');
  const times = receiver.requests.filter(({ path }) => path === '/paced').map((request) => request.at);
  expect(times.at(-1)! - times[0]!).toBeGreaterThanOrEqual(1_500);
});

test('a webhook that takes nothing holds up neither its own queue nor the redrive of others', async () => {
  const paused = await givenDead('stuck', 4_200);
  await givenDead('flows', 30);
  await house.api.patch(`/v1/webhooks/${paused.webhook_id}`).send({ is_active: false }).expect(200);
  const { resend_id, count } = await redrive({ filter: {} });
  expect(count).toBeGreaterThanOrEqual(4_230);
  await receiver.received(30, '/flows');
  await eventually('the share of the paused one to fill up', async () => (await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1', [paused.webhook_id])).length === 4_000);
  expect((await house.api.get(`/v1/resends/${resend_id}`)).body).toMatchObject({ status: 'running' });
  expect((await house.api.post(`/v1/resends/${resend_id}/cancel`).expect(200)).body).toMatchObject({ status: 'cancelled' });
  await enable(paused.webhook_id);
  await receiver.received(1, '/stuck');
});

test('two processes, asked for the same redrive at the same time: each dead letter is sent once, and the counts say so', async () => {
  const { webhook_id, eventIds } = await givenDead('two', 3_000);
  const { body } = await neighbour.api.post('/v1/dead-letters/redrive').send({ filter: { webhook_id } }).expect(202);
  const [mine, theirs] = [await redrive({ filter: { webhook_id } }), body];
  const ended = [await endOf(house, mine.resend_id), await endOf(neighbour, theirs.resend_id)];
  expect(ended.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
  expect(ended.reduce((sum, { done_count }) => sum + done_count, 0)).toBe(3_000);
  for (const { total_count, done_count, skipped_count } of ended) expect(done_count + skipped_count).toBe(total_count);
  await receiver.received(3_000, '/two');
  expect(at('/two').sort()).toEqual(eventIds);
});

test('a delivery that dies again is not picked up by the same redrive, whatever the clocks say', async () => {
  const { webhook_id } = await givenDead('relapse', 3);
  receiver.answer = () => 500;
  house.clock.advance(60_000);
  const { resend_id } = await redrive({ filter: { webhook_id }, rate_per_second: 1 });
  await receiver.received(1, '/relapse');
  // As if a dispatcher whose clock is behind had buried it: within the bounds of the redrive, after its cursor.
  await eventually('the first to die again', async () => (await house.sql(`
    WITH again AS (SELECT delivery_id, died_at FROM dead_letters WHERE webhook_id = $1 AND attempt_count = 2 ORDER BY died_at LIMIT 1), moved AS (
      UPDATE dead_letters l SET died_at = l.died_at - interval '30 seconds' FROM again a WHERE l.delivery_id = a.delivery_id RETURNING l.delivery_id, l.died_at)
    UPDATE deliveries d SET completed_at = m.died_at FROM moved m WHERE d.delivery_id = m.delivery_id RETURNING 1`, [webhook_id])).length === 1);
  expect(await endOf(house, resend_id)).toMatchObject({ status: 'succeeded', done_count: 3 });
  await receiver.received(3, '/relapse');
  await eventually('all to be dead again', async () => (await house.sql('SELECT FROM dead_letters WHERE webhook_id = $1', [webhook_id])).length === 3);
  expect(at('/relapse')).toHaveLength(3);
});

test('cancel stops a redrive at once: what is queued is sent, the rest stays with the dead letters', async () => {
  const { webhook_id } = await givenDead('cancel', 20);
  const { resend_id } = await redrive({ filter: { webhook_id }, rate_per_second: 2 });
  await receiver.received(1, '/cancel');
  const { body } = await house.api.post(`/v1/resends/${resend_id}/cancel`).expect(200);
  expect(body).toMatchObject({ status: 'cancelled', finished_at: expect.any(String), estimated_seconds_left: 0 });
  expect(body.done_count).toBeLessThan(20);
  await receiver.received(body.done_count, '/cancel');
  expect(await house.sql('SELECT FROM dead_letters WHERE webhook_id = $1', [webhook_id])).toHaveLength(20 - body.done_count);
  expect((await house.api.post(`/v1/resends/${resend_id}/cancel`).expect(200)).body).toEqual(body);
  expect(await endOf(house, (await redrive({ filter: { webhook_id } })).resend_id)).toMatchObject({ status: 'succeeded', done_count: 20 - body.done_count });
});

test.each(['disabled', 'deleted'])('a webhook %s in mid-replay ends it as failed, and says why', async (how) => {
  await givenEvents(`mid-${how}`, 10);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/mid-${how}`, { events: [`mid-${how}`] });
  const { resend_id } = await replay(webhook_id, { from: time(-60_000), rate_per_second: 2 });
  await receiver.received(1, `/mid-${how}`);
  if (how === 'disabled') await disable(webhook_id);
  else await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  const ended = await endOf(house, resend_id);
  expect(ended).toMatchObject({ status: 'failed', error: expect.stringContaining(how), total_count: 10 });
  expect(ended.done_count + ended.skipped_count).toBe(10);
});

test('the same request under the same Idempotency-Key makes one replay, even when its answer was lost', async () => {
  await givenEvents('idem', 2);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/idem`, { events: ['idem'] });
  const send = () => house.api.post(`/v1/webhooks/${webhook_id}/replay`).set('idempotency-key', 'replay-once').send({ from: '2026-01-01T00:00:00Z' });
  const first = (await send().expect(202)).body;
  expect((await send().expect(202).expect('idempotent-replayed', 'true')).body).toEqual(first);
  await house.sql("DELETE FROM idempotency_keys WHERE key = 'replay-once'");
  expect((await send().expect(202)).body).toMatchObject({ resend_id: first.resend_id, count: 2, webhooks: first.webhooks });
  await endOf(house, first.resend_id);
  expect(await deliveriesTo(webhook_id)).toHaveLength(2);
});

test('resends are listed newest first by status and kind, and are the tenant’s own', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/listed`, { events: ['listed'] });
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.unshift((await recover(webhook_id, { since: time(-1_000) })).resend_id);
  house.clock.advance(10_000);
  for (const id of ids) await endOf(house, id);
  const first = (await house.api.get('/v1/resends?kind=recover&status=succeeded&limit=2').expect(200)).body;
  expect(first.data.map(({ resend_id }: { resend_id: string }) => resend_id)).toEqual(ids.slice(0, 2));
  expect((await house.api.get(`/v1/resends?kind=recover&status=succeeded&limit=1&cursor=${first.next_cursor}`).expect(200)).body.data[0].resend_id).toBe(ids[2]);
  const other = house.as(await givenTenant(house));
  expect((await other.get('/v1/resends').expect(200)).body.data).toEqual([]);
  await other.get(`/v1/resends/${ids[0]}`).expect(404);
  await other.post(`/v1/resends/${ids[0]}/cancel`).expect(404);
  await other.post(`/v1/webhooks/${webhook_id}/replay`).send({ from: time(-1_000) }).expect(404);
  await other.post(`/v1/webhooks/${webhook_id}/recover`).send({ since: time(-1_000) }).expect(404);
  const [foreign] = await givenEvents('foreign', 1);
  const theirs = (await other.post('/v1/webhooks').send({ url: `${receiver.url}/theirs` }).expect(201)).body.webhook_id;
  expect((await other.post(`/v1/webhooks/${theirs}/replay`).send({ event_ids: [foreign] }).expect(202)).body).toMatchObject({ count: 0, skipped: [{ reason: 'event_not_found', count: 1 }] });
  await house.api.get(`/v1/resends/${MISSING}`).expect(404);
});

test.each<[path: string, body: object, ...pointers: string[]]>([
  ['replay', {}, '/from'], ['replay', { from: 'x' }, '/from'], ['replay', { from: null }, '/from'], ['replay', { from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' }, '/to'], ['replay', { from: '2026-01-02T00:00:00Z', to: null }, '/to'],
  ['replay', { event_ids: [] }, '/event_ids'], ['replay', { event_ids: [5] }, '/event_ids'], ['replay', { event_ids: ['a'], from: '2026-01-02T00:00:00Z', event_types: ['a'] }, '/from', '/event_types'], ['replay', { from: '2026-01-02T00:00:00Z', event_types: ['*a'] }, '/event_types'],
  ['replay', { from: '2026-01-02T00:00:00Z', rate_per_second: 0 }, '/rate_per_second'], ['replay', { from: '2026-01-02T00:00:00Z', rate_per_second: 1.5 }, '/rate_per_second'], ['replay', { from: '2026-01-02T00:00:00Z', dry_run: 'no' }, '/dry_run'],
  ['recover', {}, '/since'], ['recover', { since: 'yesterday' }, '/since'], ['recover', { since: '2026-01-02T00:00:00Z', rate_per_second: 10_001 }, '/rate_per_second'], ['recover', { since: '2026-01-02T00:00:00Z', huh: 1 }, '/huh'],
])('%s with %j is refused', async (path, body, ...pointers) => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/refused`, { events: ['nothing'] });
  const answer = await post(`/v1/webhooks/${webhook_id}/${path}`, body, 422);
  expect([...new Set(answer.errors.map(({ pointer }: { pointer: string }) => pointer))]).toEqual(pointers);
});
