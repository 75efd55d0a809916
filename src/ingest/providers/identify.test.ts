import { expect, test } from 'vitest';
import type { Identified } from './provider.js';
import { PROVIDERS } from './providers.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
type Seen = { headers?: Record<string, string>; json?: unknown; form?: Record<string, string>; options?: Record<string, unknown> };

function identify(name: string, { headers = {}, json, form, options = {} }: Seen): Identified[] {
  const body = Buffer.from(form ? new URLSearchParams(form).toString() : JSON.stringify(json) ?? '');
  return PROVIDERS.get(name)!.identify({ body, headers: { ...headers, ...(form && FORM) }, url: '' }, json, options);
}

const AT = '2026-11-22T04:05:06.789Z';
const MS = Date.parse(AT);
const SECONDS = Math.floor(MS / 1000);

test.each<[string, string, Seen, Partial<Identified>]>([
  ['dwolla', 'a transfer', { json: {
    id: 'e-1', topic: 'customer_transfer_completed', created: AT, timestamp: '2026-11-23T00:00:00Z', resourceId: 'r-1', correlationId: 'c-1',
    _links: { self: { href: 'https://api.dwolla.com/events/e-1' }, customer: { href: 'https://api.dwolla.com/customers/cu-1' }, resource: { href: 'https://api.dwolla.com/transfers/r-1' } },
  } }, { providerEventId: 'e-1', type: 'customer_transfer_completed', occurredAt: MS, subject: 'r-1', correlationIds: ['c-1', 'r-1', 'cu-1'] }],
  ['dwolla', 'a topic that is new', { json: { id: 'e-2', topic: 'customer_moon_landed', timestamp: AT } }, { providerEventId: 'e-2', type: 'customer_moon_landed', occurredAt: MS, correlationIds: [] }],
  ['stripe', 'an event', { json: { id: 'evt_1', object: 'event', type: 'charge.succeeded', created: SECONDS, request: { id: 'req_1' }, data: { object: { id: 'ch_1', customer: { id: 'cus_1' }, payment_intent: 'pi_1', invoice: null } } } },
    { providerEventId: 'evt_1', type: 'charge.succeeded', occurredAt: SECONDS * 1000, subject: 'ch_1', correlationIds: ['ch_1', 'req_1', 'cus_1', 'pi_1'] }],
  ['stripe', 'an event of an old API version', { json: { id: 'evt_2', type: 'ping', created: SECONDS, request: 'req_2' } }, { providerEventId: 'evt_2', correlationIds: ['req_2'] }],
  ['stripe', 'a thin event', { json: { id: 'evt_3', object: 'v2.core.event', type: 'v1.billing.meter.error_report_triggered', created: AT, related_object: { id: 'mtr_1' } } },
    { providerEventId: 'evt_3', type: 'v1.billing.meter.error_report_triggered', occurredAt: MS, subject: 'mtr_1' }],
  ['github', 'an event with an action', { headers: { 'x-github-event': 'pull_request', 'x-github-delivery': 'd-1' }, json: { action: 'opened', pull_request: { number: 7, head: { sha: 'abc' } }, repository: { full_name: 'o/r' } } },
    { providerEventId: 'd-1', type: 'pull_request.opened', subject: 'o/r', correlationIds: ['o/r#7', 'abc'] }],
  ['github', 'an event without one', { headers: { 'x-github-event': 'push', 'x-github-delivery': 'd-2' }, json: { after: 'def', repository: { full_name: 'o/r' } } }, { type: 'push', correlationIds: ['def'] }],
  ['github', 'a form', { headers: { 'x-github-event': 'issues', 'x-github-delivery': 'd-3' }, form: { payload: '{"action":"closed","issue":{"number":9},"repository":{"full_name":"o/r"}}' } }, { providerEventId: 'd-3', type: 'issues.closed', correlationIds: ['o/r#9'] }],
  ['shopify', 'an order', { headers: { 'x-shopify-topic': 'orders/create', 'x-shopify-webhook-id': 'w-1', 'x-shopify-event-id': 'e-1', 'x-shopify-triggered-at': AT }, json: { id: 820982911946154500, admin_graphql_api_id: 'gid://shopify/Order/82', checkout_token: 'ct' } },
    { providerEventId: 'e-1/orders/create/gid://shopify/Order/82', type: 'orders/create', occurredAt: MS, subject: 'gid://shopify/Order/82', correlationIds: ['e-1', 'gid://shopify/Order/82', 'ct'] }],
  ['shopify', 'the newer headers', { headers: { 'shopify-topic': 'fulfillments/update', 'shopify-event-id': 'e-2' }, json: { id: 5, order_id: 82 } }, { providerEventId: 'e-2/fulfillments/update/5', type: 'fulfillments/update', subject: '5', correlationIds: ['e-2', '5', 'gid://shopify/Order/82'] }],
  ['shopify', 'an older version without event ids', { headers: { 'x-shopify-topic': 'app/uninstalled', 'x-shopify-webhook-id': 'w-3' }, json: {} }, { providerEventId: 'w-3', type: 'app/uninstalled' }],
  ['slack', 'an event', { json: { type: 'event_callback', event_id: 'Ev1', event_time: SECONDS, event: { type: 'message', channel: 'C1', ts: '2.0', thread_ts: '1.0' } } }, { providerEventId: 'Ev1', type: 'message', occurredAt: SECONDS * 1000, subject: 'C1', correlationIds: ['C1/1.0'] }],
  ['slack', 'an event about a message', { json: { event_id: 'Ev2', event: { type: 'reaction_added', user: 'U1', item: { channel: 'C1', ts: '1.0' } } } }, { type: 'reaction_added', subject: 'C1', correlationIds: ['C1/1.0'] }],
  ['slack', 'a word of its own', { json: { type: 'app_rate_limited', minute_rate_limited: 1 } }, { type: 'app_rate_limited', providerEventId: undefined }],
  ['slack', 'a slash command', { headers: { 'x-slack-request-timestamp': String(SECONDS) }, form: { command: '/deploy', trigger_id: 't-1', channel_id: 'C1' } }, { providerEventId: 't-1', type: 'slash_command', occurredAt: SECONDS * 1000, subject: '/deploy', correlationIds: ['C1'] }],
  ['slack', 'an interaction', { form: { payload: '{"type":"block_actions","trigger_id":"t-2","channel":{"id":"C2"}}' } }, { providerEventId: 't-2', type: 'block_actions', subject: 'C2' }],
  ['twilio', 'the state of a message', { form: { MessageSid: 'SM1', SmsSid: 'SM1', MessageStatus: 'delivered', SmsStatus: 'sent', AccountSid: 'AC1' } }, { providerEventId: 'SM1/delivered', type: 'message.delivered', subject: 'SM1', correlationIds: ['SM1'] }],
  ['twilio', 'a message that came in', { form: { MessageSid: 'SM2', SmsStatus: 'received', Body: 'hi' } }, { providerEventId: 'SM2/received', type: 'message.received' }],
  ['twilio', 'the state of a call', { form: { CallSid: 'CA1', CallStatus: 'completed', SequenceNumber: '3', ParentCallSid: 'CA0', Timestamp: 'Sun, 22 Nov 2026 04:05:06 +0000' } },
    { providerEventId: 'CA1/completed/3', type: 'call.completed', occurredAt: Date.parse('2026-11-22T04:05:06Z'), correlationIds: ['CA1', 'CA0'] }],
  ['twilio', 'something else', { json: { a: 1 } }, { providerEventId: undefined, type: 'twilio.received' }],
  ['standard_webhooks', 'an event', { headers: { 'webhook-id': 'm-1', 'webhook-timestamp': '1' }, json: { type: 'invoice.paid', timestamp: AT, data: { id: 'in-1' } } }, { providerEventId: 'm-1', type: 'invoice.paid', occurredAt: MS, subject: 'in-1', correlationIds: ['in-1'] }],
  ['standard_webhooks', 'an event of Lakehook', { headers: { 'webhook-id': 'm-2', 'webhook-timestamp': '1' }, json: { event_type: 'cost.report_ready', timestamp: AT, data: {} } }, { type: 'cost.report_ready', occurredAt: MS }],
  ['svix', 'an event', { headers: { 'svix-id': 'm-3', 'svix-timestamp': String(SECONDS) }, json: { eventType: 'user.created', data: { object: { id: 'u-1' } } } }, { providerEventId: 'm-3', type: 'user.created', occurredAt: SECONDS * 1000, subject: 'u-1' }],
  ['svix', 'a body that is no JSON', { headers: { 'svix-id': 'm-4' } }, { providerEventId: 'm-4', type: 'svix.received' }],
  ['hmac', 'paths', { options: { id_path: 'data.id', type_path: 'kind', time_path: 'at', subject_path: 'data.items.1.sku', correlation_paths: ['data.order', 'data.none', String.raw`labels.app\.io`] }, json: { kind: 'order.paid', at: MS, data: { id: 7, order: 'o-1', items: [{}, { sku: 's-1' }] }, labels: { 'app.io': 'x' } } },
    { providerEventId: '7', type: 'order.paid', occurredAt: MS, subject: 's-1', correlationIds: ['o-1', 'x'] }],
  ['bearer', 'headers, which go before paths', { headers: { 'x-id': 'h-1', 'x-type': 'a b' }, options: { id_header: 'X-Id', id_path: 'id', type_header: 'X-Type' }, json: { id: 'p-1' } }, { providerEventId: 'h-1', type: 'a_b' }],
  ['basic', 'a header that is not there, where a path helps out', { options: { id_header: 'X-Id', id_path: 'id', event_type: 'alarm', time_path: 'at' }, json: { id: 'p-1', at: 'yesterday' } }, { providerEventId: 'p-1', type: 'alarm', occurredAt: undefined }],
  ['none', 'a form', { options: { id_path: 'ref', type_path: 'kind' }, form: { ref: 'f-1', kind: 'sms' } }, { providerEventId: 'f-1', type: 'sms' }],
  ['none', 'nothing at all', {}, { providerEventId: undefined, type: 'none.received', subject: undefined, correlationIds: [] }],
])('%s: %s is known by what it is called there', (name, _, seen, expected) => {
  expect(identify(name, seen)).toMatchObject([expected]);
});

const shopifyId = (topic: string, webhook: string, id: number) => identify('shopify', { headers: { 'x-shopify-topic': topic, 'x-shopify-webhook-id': webhook, 'x-shopify-event-id': 'e-1' }, json: { id } })[0]!.providerEventId;

test('Shopify: topics that one action sets off are events of their own, a repeat and a second subscription to one topic are not', () => {
  expect(shopifyId('orders/create', 'w-1', 1)).toBe(shopifyId('orders/create', 'w-2', 1));
  expect(new Set([shopifyId('orders/create', 'w-1', 1), shopifyId('orders/updated', 'w-2', 1), shopifyId('orders/create', 'w-3', 2)]).size).toBe(3);
});

const callId = (Digits: string) => identify('twilio', { form: { CallSid: 'CA1', CallStatus: 'in-progress', Digits } })[0]!.providerEventId;

test('Twilio: what a caller keys in under one status is an event each, and a repeat is not', () => {
  expect(callId('1')).toBe(callId('1'));
  expect(callId('1')).not.toBe(callId('2'));
});

test('Twilio: Event Streams come as a list, of which each is an event', () => {
  const json = [{ id: 'EZ1', type: 'com.twilio.messaging.message.delivered', time: AT, data: { messageSid: 'SM1' } }, { id: 'EZ2', type: 'com.twilio.voice.status', data: { callSid: 'CA1' } }];
  expect(identify('twilio', { json })).toMatchObject([
    { providerEventId: 'EZ1', type: 'com.twilio.messaging.message.delivered', occurredAt: MS, correlationIds: ['SM1'], data: JSON.stringify(json[0]) }, { providerEventId: 'EZ2', correlationIds: ['CA1'], data: JSON.stringify(json[1]) },
  ]);
  expect(identify('twilio', { json: [1, {}] })).toMatchObject([{ type: 'twilio.received', data: undefined }]);
});

const idOf = (id: unknown) => identify('dwolla', { json: { id } })[0]!.providerEventId;

test('ids that cannot be stored go by their digest, so that two of them never become one, and numbers that lost digits are none', () => {
  expect(idOf('x'.repeat(255))).toBe('x'.repeat(255));
  const odd = ['x'.repeat(256), 'x'.repeat(257), 'a\0', 'a\ufffd\0', '\ud800', '\ud801'].map(idOf);
  for (const id of odd) expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(new Set(odd).size).toBe(odd.length);
  expect([idOf(9_007_199_254_740_991), idOf(9_007_199_254_740_992), idOf(1.5), idOf(''), idOf({}), idOf(true)]).toEqual(['9007199254740991', undefined, undefined, undefined, undefined, undefined]);
});

test.each<[unknown, number | undefined]>([
  [0, 0], [1_790_000_000, 1_790_000_000_000], [1_790_000_000.5, 1_790_000_000_500], [1_790_000_000_123, 1_790_000_000_123], ['1790000000', 1_790_000_000_000], [AT, MS], [-1, undefined], [1e300, undefined], [Number.NaN, undefined], ['', undefined], ['2026-02-30T00:00:00Z', undefined], [null, undefined], [[], undefined],
])('the time %j is %j', (created, expected) => {
  expect(identify('stripe', { json: { created } })[0]!.occurredAt).toBe(expected);
});

test('Slack: the challenge is answered and is no event; people see no answer to a command', () => {
  const { answer } = PROVIDERS.get('slack')!;
  const ask = (json: unknown, headers = {}) => answer!({ body: Buffer.alloc(0), headers, url: '' }, json);
  expect(identify('slack', { json: { type: 'url_verification', challenge: '3eZbrw1a', token: 't' } })).toEqual([]);
  expect(ask({ type: 'url_verification', challenge: '3eZbrw1a' })).toEqual({ status: 200, contentType: 'text/plain', body: '3eZbrw1a' });
  expect(ask({ type: 'url_verification', challenge: { a: 1 } })).toBeUndefined();
  expect(identify('slack', { json: { type: 'url_verification', challenge: 7 } })).toHaveLength(1);
  expect(ask({ type: 'event_callback', challenge: 'x' })).toBeUndefined();
  expect(ask(undefined, FORM)).toEqual({ status: 200, contentType: 'text/plain', body: '' });
});

test('Twilio: a form is answered with no orders', () => {
  const { answer } = PROVIDERS.get('twilio')!;
  expect(answer!({ body: Buffer.alloc(0), headers: FORM, url: '' }, undefined)).toEqual({ status: 200, contentType: 'text/xml', body: '<Response/>' });
  expect(answer!({ body: Buffer.alloc(0), headers: {}, url: '' }, [])).toBeUndefined();
});

test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])('a path or header called %s leads nowhere unless it was sent', (name) => {
  expect(identify('none', { json: { a: 1 }, options: { id_path: `${name}.name`, type_path: name, subject_path: `a.${name}`, id_header: name, type_header: name } })).toMatchObject([{ providerEventId: undefined, type: 'none.received', subject: undefined }]);
  expect(identify('none', { headers: JSON.parse(`{"${name.toLowerCase()}":"sent"}`) as Record<string, string>, options: { id_header: name } })).toMatchObject([{ providerEventId: 'sent' }]);
  for (const provider of ['bearer', 'hmac']) {
    expect(PROVIDERS.get(provider)!.verify({ body: Buffer.alloc(0), headers: {}, url: '' }, { secrets: ['s'], toleranceSeconds: 300, now: 0, options: { header: name } })).toMatchObject({ reason: 'missing' });
  }
});
