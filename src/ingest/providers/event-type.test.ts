import { expect, test } from 'vitest';
import { EVENT_TYPE } from '../../events/index.js';
import { eventTypeOf } from './event-type.js';

test.each([
  ['customer_transfer_completed', 'customer_transfer_completed'],
  ['payment_intent.succeeded', 'payment_intent.succeeded'],
  ['orders/create', 'orders/create'],
  ['ObjectCreated:Put', 'ObjectCreated:Put'],
  ['Object Created', 'Object_Created'],
  ['  padded\n', 'padded'],
  ['.hidden', 'hidden'],
  ['*', undefined],
  ['a*b', 'a_b'],
  ['größe', 'gr_e'],
  ['🎉', undefined],
  ['', undefined],
  ['__proto__', 'proto__'],
  ['a\0b', 'a_b'],
  ['x'.repeat(300), 'x'.repeat(255)],
  [`${'é'.repeat(300)}x`, 'x'],
])('%j becomes %j', (type, expected) => {
  expect(eventTypeOf(type)).toBe(expected);
});

test('whatever comes out is an event type, and stays what it is', () => {
  for (let at = 0; at < 2_000; at++) {
    const fitting = eventTypeOf(String.fromCharCode(at, (at * 7919) % 65_536, 97, (at * 104_729) % 65_536));
    expect(fitting).toMatch(EVENT_TYPE);
    expect(eventTypeOf(fitting!)).toBe(fitting);
  }
});
