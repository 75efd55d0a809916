import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook, QUICK } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

const SECOND = 1_000;
const HOUR = 3_600_000;
const PATIENT = { ...QUICK, max_retries: 20 };

const publish = async (event_type: string, count: number): Promise<string[]> =>
  (await house.api.post('/v1/events').send({ events: Array.from({ length: count }, () => ({ event_type, data: {} })) }).expect(202)).body.data.map(({ event_id }: { event_id: string }) => event_id);
const webhook = async (id: string) => (await house.api.get(`/v1/webhooks/${id}`).expect(200)).body;
const requestsTo = (path: string) => receiver.requests.filter((request) => request.path === path);
const settled = (type: string, status: string) => async () => (await house.sql('SELECT FROM deliveries WHERE event_type = $1 AND status <> $2', [type, status])).length === 0;
/** A webhook whose circuit has opened. */
async function givenOpenCircuit(name: string, more: object = {}) {
  receiver.answer = ({ path }) => (path === `/${name}` ? 500 : 200);
  const given = await givenWebhook(house, `${receiver.url}/${name}`, { events: [name], retry_policy: PATIENT, ...more });
  await publish(name, 30);
  await eventually('the circuit to open', async () => (await webhook(given.webhook_id)).circuit.state === 'open');
  // What was in flight when it opened comes to its end.
  await eventually('nothing to be in flight', async () => (await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1 AND claimed_by IS NOT NULL', [given.webhook_id])).length === 0);
  return given;
}
/** A webhook that has failed ten times, the first 25 hours ago, and would be disabled after 24; the next request to it waits for an answer. */
async function givenLongFailing(name: string, held: ServerResponse[]) {
  const given = await givenOpenCircuit(name, { disable_after_hours: 24 });
  await house.sql("UPDATE webhook_flows SET state = 'closed', probe_at = NULL, trips = 0, failing_since = $2::timestamptz WHERE webhook_id = $1", [given.webhook_id, new Date(house.clock.now() - 25 * HOUR)]);
  await house.sql("UPDATE delivery_queue SET due_at = 'infinity' WHERE webhook_id = $1", [given.webhook_id]);
  receiver.answer = ({ path, event }) => (path !== `/${name}` || event.data['good'] ? 200 : (response) => void held.push(response));
  return given;
}

describe('a rate limit', () => {
  test('is kept by two processes together: the burst at once, then the rate', async () => {
    await givenWebhook(house, `${receiver.url}/limited`, { events: ['limited'], rate_limit: { per_second: 10, burst: 5 } });
    const began = Date.now();
    await publish('limited', 20);
    const requests = await receiver.received(20, '/limited');
    const seconds = requests.map(({ at }) => (at - began) / 1_000);
    // Of any window, no more than what the bucket held plus what flowed in: with a little room for the way to the receiver.
    for (let first = 0; first < 20; first++) for (let last = first; last < 20; last++) {
      expect(last - first + 1).toBeLessThanOrEqual(5 + 10 * (seconds[last]! - seconds[first]!) + 2);
    }
    expect(seconds[19]!).toBeGreaterThan(1.2);
  });

  test('is changed and lifted while deliveries wait for it', async () => {
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/lifted`, { events: ['lifted'], rate_limit: { per_second: 0.001 } });
    await publish('lifted', 6);
    await receiver.received(1, '/lifted');
    expect((await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ rate_limit: null }).expect(200)).body.rate_limit).toBeNull();
    await receiver.received(6, '/lifted');
  });

  test('is shown, defaulted and refused with the place', async () => {
    const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'], rate_limit: { per_second: 2.5 } });
    expect((await webhook(webhook_id)).rate_limit).toEqual({ per_second: 2.5, burst: 3 });
    const { body } = await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ rate_limit: { per_second: 0 } }).expect(422);
    expect(body.errors).toEqual([{ pointer: '/rate_limit/per_second', detail: expect.any(String) }]);
    expect((await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url: receiver.url, events: ['never'] }).expect(200)).body.rate_limit).toBeNull();
  });

  test('also counts retries', async () => {
    receiver.answer = () => 500;
    await givenWebhook(house, `${receiver.url}/limited-retries`, { events: ['limited-retries'], rate_limit: { per_second: 0.001, burst: 2 }, retry_policy: PATIENT });
    await givenEvent(house, 'limited-retries');
    await receiver.received(2, '/limited-retries');
    // A third would be there at once: the others' events show that claims go on.
    await givenWebhook(house, `${receiver.url}/beside`, { events: ['beside'], retry_policy: QUICK });
    receiver.answer = () => 200;
    await deliveryOf(house, await givenEvent(house, 'beside'), 'succeeded');
    expect(requestsTo('/limited-retries')).toHaveLength(2);
  });
});

describe('a circuit', () => {
  test('opens after failures only, for all processes; what waits burns no attempts', async () => {
    const { webhook_id } = await givenOpenCircuit('falls');
    expect(await webhook(webhook_id)).toMatchObject({ status: 'open_circuit', circuit: { state: 'open', failing_since: expect.any(String), next_probe_at: expect.any(String), last_error: 'HTTP 500 Internal Server Error' } });
    expect((await neighbour.api.get(`/v1/webhooks/${webhook_id}`)).body.circuit.state).toBe('open');
    const before = requestsTo('/falls').length;
    const later = await givenEvent(house, 'falls');
    await givenWebhook(house, `${receiver.url}/witness`, { events: ['witness'] });
    await deliveryOf(house, await givenEvent(house, 'witness'), 'succeeded');
    expect(requestsTo('/falls')).toHaveLength(before);
    expect(await deliveryOf(house, later, 'pending')).toMatchObject({ attempt_count: 0 });
  });

  test('is probed by one attempt, stays open when that fails, and the delivery keeps its retries', async () => {
    const { webhook_id } = await givenOpenCircuit('probed', { retry_policy: { ...QUICK, max_retries: 0 }, disable_after_hours: 0 });
    // Those that failed while it was closed are dead; one that comes now is only ever a probe.
    const eventId = await givenEvent(house, 'probed');
    for (let probe = 1; probe <= 3; probe++) {
      const before = requestsTo('/probed').length;
      house.clock.advance(61 * SECOND);
      await eventually(`probe ${probe} to be sent`, () => requestsTo('/probed').length > before);
      await eventually('the circuit to be open again', async () => (await webhook(webhook_id)).circuit.state === 'open');
      expect(requestsTo('/probed')).toHaveLength(before + 1);
    }
    const { delivery_id } = (await house.api.get(`/v1/deliveries?webhook_id=${webhook_id}&event_id=${eventId}`)).body.data[0];
    expect((await house.api.get(`/v1/deliveries/${delivery_id}`)).body.status).toMatch(/pending|retrying/);
    receiver.answer = () => 200;
    house.clock.advance(61 * SECOND);
    await deliveryOf(house, eventId, 'succeeded');
    expect(await webhook(webhook_id)).toMatchObject({ status: 'active', circuit: { state: 'closed', failing_since: null, next_probe_at: null } });
  });

  test('is probed by a delivery that then waits with the others, not by its own schedule', async () => {
    const { webhook_id } = await givenOpenCircuit('waits-along', { retry_policy: { max_retries: 3, base_seconds: 3_600, factor: 1, jitter: false } });
    await givenEvent(house, 'waits-along');
    house.clock.advance(61 * SECOND);
    const probed = () => house.sql<{ due_at: Date }>('SELECT due_at FROM delivery_queue WHERE webhook_id = $1 AND round_start > 1 AND claimed_by IS NULL', [webhook_id]);
    await eventually('a probe to fail', async () => (await probed()).length > 0);
    const [probe] = await probed();
    expect(probe!.due_at.getTime()).toBeLessThanOrEqual(house.clock.now() + 5 * SECOND);
  });

  test('closes at a ramp, not as a herd', async () => {
    await givenOpenCircuit('ramped');
    await publish('ramped', 300);
    receiver.answer = () => 200;
    const before = requestsTo('/ramped').length;
    house.clock.advance(61 * SECOND);
    await eventually('it to recover', () => requestsTo('/ramped').length >= before + 25);
    const [first] = requestsTo('/ramped').slice(before);
    const inFirstSecond = requestsTo('/ramped').slice(before).filter(({ at }) => at - first!.at < 1_000).length;
    // 1 + 5·t² allows 6 in the first second; whatever the machine does, not all of them.
    expect(inFirstSecond).toBeLessThan(25);
    house.clock.advance(101 * SECOND);
    await eventually('all of it to be delivered', settled('ramped', 'succeeded'));
  });

  test('does not open for one event that always fails', async () => {
    receiver.answer = ({ event }) => (event.data['poison'] ? 500 : 200);
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/poison`, { events: ['poison'], retry_policy: { ...PATIENT, max_retries: 14 } });
    const eventId = await givenEvent(house, 'poison', { poison: true });
    expect(await deliveryOf(house, eventId, 'dead')).toMatchObject({ attempt_count: 15 });
    expect((await webhook(webhook_id)).circuit.state).toBe('closed');
  });

  test('a webhook that has done nothing but fail for its hours is disabled, with the reason, and news of it go out', async () => {
    await givenWebhook(house, `${receiver.url}/news`, { events: ['webhook.disabled'] });
    const { webhook_id } = await givenOpenCircuit('hopeless', { disable_after_hours: 24 });
    house.clock.advance(23 * HOUR);
    await eventually('a probe before that time', async () => (await webhook(webhook_id)).circuit.state === 'open' && (await house.sql('SELECT FROM webhook_flows WHERE webhook_id = $1 AND trips > 1', [webhook_id])).length === 1);
    expect((await webhook(webhook_id)).status).toBe('open_circuit');
    house.clock.advance(2 * HOUR);
    await eventually('it to be disabled', async () => (await webhook(webhook_id)).status === 'disabled');
    expect((await webhook(webhook_id)).disabled_reason).toBe('Nothing but failures for 24 hours. The last one: HTTP 500 Internal Server Error');
    const [news] = await receiver.received(1, '/news');
    expect(news!.event.data).toMatchObject({ webhook_id, reason: expect.stringContaining('24 hours') });
    await eventually('what waited to be dead', settled('hopeless', 'dead'));
  });

  test('a failure of an attempt that began before the receiver recovered does not disable the webhook', async () => {
    const held: ServerResponse[] = [];
    const { webhook_id } = await givenLongFailing('recovered', held);
    const { event_id } = (await house.api.post('/v1/events').send({ events: [{ event_type: 'recovered', data: {} }, { event_type: 'recovered', data: { good: true } }] }).expect(202)).body.data[0];
    await eventually('one success', async () => held.length === 1 && (await webhook(webhook_id)).circuit.failing_since === null);
    held[0]!.writeHead(500).end();
    await deliveryOf(house, event_id, 'retrying');
    expect((await webhook(webhook_id)).status).toBe('active');
  });

  test('an attempt that ends after the webhook was changed neither disables it nor costs its delivery', async () => {
    const held: ServerResponse[] = [];
    const { webhook_id } = await givenLongFailing('changed', held);
    const eventId = await givenEvent(house, 'changed');
    await eventually('it to be sent', () => held.length === 1);
    await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ description: 'looking into it' }).expect(200);
    held[0]!.writeHead(500).end();
    await eventually('the attempt to be recorded', async () => (await house.sql('SELECT FROM attempts a JOIN deliveries d USING (delivery_id) WHERE d.event_id = $1', [eventId])).length === 1);
    await deliveryOf(house, eventId, 'retrying');
    expect((await webhook(webhook_id)).status).toBe('active');
  });

  test('failing is counted from the first failure after a webhook was resumed', async () => {
    receiver.answer = () => 500;
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/resumed`, { events: ['resumed'], retry_policy: { ...QUICK, max_retries: 0 } });
    for (let round = 0; round < 2; round++) {
      await deliveryOf(house, await givenEvent(house, 'resumed'), 'dead');
      await eventually('it to be noted', async () => (await webhook(webhook_id)).circuit.failing_since !== null);
      await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: false }).expect(200);
      expect((await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200)).body.circuit.failing_since).toBeNull();
    }
  });

  test('a message that cannot be made does not keep a circuit open: it dies of its retries, and the next one is the probe', async () => {
    const { webhook_id } = await givenOpenCircuit('unmade', { retry_policy: { ...QUICK, max_retries: 1 }, format: 'template', format_options: { template: '{"a": {{ data.broken | default: "1" }} }' } });
    await house.sql("UPDATE delivery_queue SET due_at = 'infinity' WHERE webhook_id = $1", [webhook_id]);
    receiver.answer = () => 200;
    // One line, so that nothing else can be the probe before the first has ended.
    await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ ordered: true, on_exhausted: 'skip' }).expect(200);
    const [broken, whole] = (await house.api.post('/v1/events').send({ events: [{ event_type: 'unmade', data: { broken: '}' } }, { event_type: 'unmade', data: {} }] }).expect(202)).body.data;
    // The probe's time comes by itself; each that could not be made is repeated after a second.
    const nudging = setInterval(() => house.clock.advance(SECOND), 50);
    try {
      expect(await deliveryOf(house, broken.event_id, 'dead')).toMatchObject({ attempt_count: 2 });
      await deliveryOf(house, whole.event_id, 'succeeded');
    } finally {
      clearInterval(nudging);
    }
    expect((await webhook(webhook_id)).circuit.state).toBe('closed');
  });

  test('the head of a line that is refused is given up while the circuit is open, so that those behind it get their turn', async () => {
    receiver.answer = ({ path, event }) => (path === '/refused' && event.data['bad'] ? 400 : 200);
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/refused`, { events: ['refused'], ordered: true, on_exhausted: 'skip', retry_policy: { ...QUICK, max_retries: 1 } });
    const events = [...Array.from({ length: 25 }, () => ({ event_type: 'refused', data: { bad: true } })), { event_type: 'refused', data: {} }];
    const last = (await house.api.post('/v1/events').send({ events }).expect(202)).body.data.at(-1);
    await eventually('the circuit to open', async () => (await webhook(webhook_id)).circuit.state === 'open');
    const nudging = setInterval(() => house.clock.advance(60 * SECOND), 50);
    try {
      await deliveryOf(house, last.event_id, 'succeeded');
    } finally {
      clearInterval(nudging);
    }
    expect((await webhook(webhook_id)).circuit.state).toBe('closed');
  });

  test('a webhook that is given another URL begins afresh there', async () => {
    const { webhook_id } = await givenOpenCircuit('moved');
    expect((await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ description: 'still there' }).expect(200)).body.status).toBe('open_circuit');
    expect((await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: `${receiver.url}/moved-on` }).expect(200)).body).toMatchObject({ status: 'active', circuit: { failing_since: null, held_until: null } });
    await receiver.received(3, '/moved-on');
  });

  test('a webhook that is enabled again begins with a closed circuit and a ramp', async () => {
    const { webhook_id } = await givenOpenCircuit('reopened');
    receiver.answer = () => 200;
    await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: false }).expect(200);
    expect((await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200)).body).toMatchObject({ status: 'active' });
    expect((await house.sql<{ state: string; ramp: boolean }>('SELECT state, ramp_from IS NOT NULL AS ramp FROM webhook_flows WHERE webhook_id = $1', [webhook_id]))[0]).toEqual({ state: 'closed', ramp: true });
    house.clock.advance(101 * SECOND);
    await eventually('all of it to be delivered', settled('reopened', 'succeeded'));
  });
});

describe('a receiver that asks for time', () => {
  test.each([429, 503])('by Retry-After with %i holds all deliveries to it, in all processes, and no others', async (status) => {
    const name = `held-${status}`;
    receiver.answer = ({ path }, earlier) => (path === `/${name}` && earlier === 0 ? { status, headers: { 'retry-after': '30' } } : 200);
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/${name}`, { events: [name] });
    await givenEvent(house, name);
    await receiver.received(1, `/${name}`);
    await eventually('the hold to be known', async () => (await webhook(webhook_id)).circuit.held_until !== null);
    await givenEvent(house, name);
    await givenWebhook(house, `${receiver.url}/free-${status}`, { events: [`free-${status}`] });
    await deliveryOf(house, await givenEvent(house, `free-${status}`), 'succeeded');
    expect(requestsTo(`/${name}`)).toHaveLength(1);
    house.clock.advance(31 * SECOND);
    await receiver.received(3, `/${name}`);
    await eventually('both to be delivered', settled(name, 'succeeded'));
  });

  test('by answering 503 gets fewer at a time, and more again when it has recovered', async () => {
    let busy = true;
    let open = 0;
    let most = 0;
    receiver.answer = ({ path }) => (path === '/congested' ? (response) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        response.writeHead(busy ? 503 : 200).end();
      }, 20);
    } : 200);
    // One in twenty succeeds, so that the circuit stays closed and the limit alone acts.
    await givenWebhook(house, `${receiver.url}/congested`, { events: ['congested'], retry_policy: { ...PATIENT, base_seconds: 1 } });
    await publish('congested', 9);
    await eventually('the first wave to be refused', () => requestsTo('/congested').length >= 9 && open === 0);
    busy = false;
    await eventually('all of it to be delivered', settled('congested', 'succeeded'), 30_000);
    expect(most).toBeGreaterThan(1);
  });
});
