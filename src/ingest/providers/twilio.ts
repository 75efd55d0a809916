import { hash } from 'node:crypto';
import { formOf } from '../verify/inbound.js';
import { verifyTwilio } from '../verify/twilio.js';
import type { Provider } from './provider.js';
import { at, elementTexts, eventOf, isListOfObjects, textOfBody } from './reading.js';

const RFC2822 = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/;

/**
 * A message or a call and its status, which come as forms, or a list of Event Streams in JSON. Twilio has no id for what it
 * reports of a call: the sequence number where it sends one, else what it says, tells reports of one status apart.
 */
export const twilio: Provider = {
  name: 'twilio',
  needsSecret: true,
  verify: verifyTwilio,
  identify: (inbound, json) => {
    const otherwise = 'twilio.received';
    if (isListOfObjects(json)) {
      const texts = elementTexts(textOfBody(inbound.body));
      return json.map((event, index) => eventOf({
        id: at(event, 'id'), type: at(event, 'type'), otherwise, time: at(event, 'time'), subject: at(event, 'subject'),
        correlations: ['messageSid', 'callSid', 'conferenceSid'].map((name) => at(event, 'data', name)), data: texts[index],
      }));
    }
    const fields = json ?? Object.fromEntries(formOf(inbound) ?? []);
    const textAt = (...names: string[]): string | undefined => names.map((name) => at(fields, name)).find((value) => typeof value === 'string' && value !== '') as string | undefined;
    const message = textAt('MessageSid', 'SmsSid');
    const call = textAt('CallSid');
    const sid = message ?? call;
    const status = message ? textAt('MessageStatus', 'SmsStatus') : textAt('CallStatus');
    const which = message ? [] : [textAt('SequenceNumber') ?? hash('sha256', inbound.body, 'hex').slice(0, 16)];
    const time = textAt('Timestamp');
    return [eventOf({
      id: sid && [sid, ...(status ? [status] : []), ...which].join('/'), type: sid && `${message ? 'message' : 'call'}.${status ?? 'received'}`, otherwise,
      time: time && RFC2822.test(time) ? Date.parse(time) : time, subject: sid, correlations: [sid, textAt('ParentCallSid'), textAt('ConversationSid'), textAt('ConferenceSid')],
    })];
  },
  // An empty reply: Twilio reads the body of an answer as orders.
  answer: (inbound) => (formOf(inbound) ? { status: 200, contentType: 'text/xml', body: '<Response/>' } : undefined),
};
