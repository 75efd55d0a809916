import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

const TEXTS = [
  '{"z":1,"a":2,"m":3}',
  '{"amount":12345678901234567890.10,"same":1.0,"exp":1E+2,"tiny":0.1e-7,"minus":-0}',
  '{ "spaced" :  [ 1 ,2,\t3 ] ,\n  "line" : true }',
  '{"unicode":"naïve 日本語 🎉","escaped":"na\\u00efve \\ud83c\\udf89 \\/ \\" \\\\ \\u2028"}',
  '{"twice":1,"twice":2}',
  '{"":{"":[]},"empty":{},"null":null}',
  '{"like":"\\\\u0000","html":"</script><b>&amp;","key.with/odd~signs":"%00"}',
  `{"big":"${'ä'.repeat(70_000)}"}`,
];

test.each(TEXTS.map((text, index) => [text.slice(0, 40), text, index] as const))('the bytes of data are kept at every station: %s', async (_, text, index) => {
  const type = `bytes.n${index}`;
  const { secret } = await givenWebhook(house, `${receiver.url}/${type}`, { events: [type] });
  const metadata = '{ "trace" : "a\\u0062c", "n":1.00 }';
  const { body } = await house.api.post('/v1/events').set('content-type', 'application/json').send(`{"event_type":"${type}", "data": ${text} ,"metadata":${metadata}}`).expect(202);

  const [row] = await house.sql<{ data: string; metadata: string }>('SELECT data::text, metadata::text FROM events WHERE event_id = $1', [body.event_id]);
  expect(row).toEqual({ data: text, metadata });

  const parts = `"data":${text},"metadata":${metadata}`;
  expect((await house.api.get(`/v1/events/${body.event_id}`).expect(200)).text).toContain(parts);
  expect((await house.api.get(`/v1/events?event_type=${type}`).expect(200)).text).toContain(parts);

  const [request] = await receiver.received(1, `/${type}`);
  const timestamp = (JSON.parse((await house.api.get(`/v1/events/${body.event_id}`)).text) as { timestamp: string }).timestamp;
  expect(request!.body.toString()).toBe(`{"event_id":"${body.event_id}","event_type":"${type}","timestamp":"${timestamp}",${parts}}`);
  expect(() => new Webhook(secret).verify(request!.body, request!.headers as Record<string, string>)).not.toThrow();
  expect(() => new Webhook(secret).verify(`${request!.body.toString()} `, request!.headers as Record<string, string>)).toThrow();
});
