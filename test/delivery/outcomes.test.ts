import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

test('outcomes are held while Postgres refuses to write, and recorded once it takes them: nothing is sent twice', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/full`, { events: ['disk.full'], is_active: false });
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push(await givenEvent(house, 'disk.full'));
  for (const id of ids) await deliveryOf(house, id, 'pending', webhook_id);
  // A sequence keeps counting when its transaction rolls back.
  await house.sql('CREATE SEQUENCE refusals');
  await house.sql("CREATE FUNCTION refuse_writes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('refusals'); RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$");
  await house.sql('CREATE TRIGGER refuse_writes BEFORE INSERT ON attempts FOR EACH STATEMENT EXECUTE FUNCTION refuse_writes()');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200);
  await receiver.received(5, '/full');
  await eventually('recording to have been refused several times', async () => (await house.sql<{ n: number }>('SELECT last_value::int AS n FROM refusals'))[0]!.n >= 4);
  expect(await house.sql('SELECT FROM attempts WHERE webhook_id = $1', [webhook_id])).toEqual([]);
  expect(await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1 AND claimed_by IS NOT NULL', [webhook_id])).toHaveLength(5);
  await house.sql('DROP TRIGGER refuse_writes ON attempts');
  for (const id of ids) {
    const { attempts } = await deliveryOf(house, id, 'succeeded', webhook_id);
    expect(attempts).toMatchObject([{ attempt: 1, trigger: 'event', response_status: 200 }]);
  }
  expect(receiver.requests).toHaveLength(5);
});

test('a 410 that answers what the webhook was before a change ends its delivery and leaves the changed webhook alone', async () => {
  let release: () => void;
  receiver.answer = ({ path }) => (path === '/before' ? (response) => { release = () => response.writeHead(410).end(); } : 200);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/before`, { events: ['gone.late'] });
  const eventId = await givenEvent(house, 'gone.late');
  await receiver.received(1, '/before');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: `${receiver.url}/after` }).expect(200);
  release!();
  await deliveryOf(house, eventId, 'dead', webhook_id);
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body).toMatchObject({ status: 'active', is_active: true, disabled_reason: null });
  await deliveryOf(house, await givenEvent(house, 'gone.late'), 'succeeded', webhook_id);
  expect(await house.sql("SELECT FROM events WHERE event_type = 'webhook.disabled'")).toEqual([]);
});
