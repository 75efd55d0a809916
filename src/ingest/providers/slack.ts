import { formOf, headerOf } from '../verify/inbound.js';
import { verifySlack } from '../verify/slack.js';
import type { Provider } from './provider.js';
import { at, eventOf, jsonOf } from './reading.js';

/** The Events API in JSON; slash commands and interactions as forms, whose senders show the answer to a person, so it is empty. */
export const slack: Provider = {
  name: 'slack',
  needsSecret: true,
  verify: verifySlack,
  identify: (inbound, json) => {
    if (challengeOf(json) !== undefined) return [];
    const otherwise = 'slack.received';
    const form = formOf(inbound);
    if (form) {
      const payload = jsonOf(form.get('payload'));
      return [eventOf({
        id: form.get('trigger_id') ?? at(payload, 'trigger_id'), type: form.has('command') ? 'slash_command' : at(payload, 'type'), otherwise,
        time: headerOf(inbound, 'x-slack-request-timestamp'), subject: form.get('command') ?? at(payload, 'channel', 'id'), correlations: [form.get('channel_id') ?? at(payload, 'channel', 'id')],
      })];
    }
    const event = at(json, 'event');
    const channel = at(event, 'channel') ?? at(event, 'item', 'channel');
    const thread = at(event, 'thread_ts') ?? at(event, 'item', 'ts') ?? at(event, 'ts');
    return [eventOf({
      id: at(json, 'event_id'), type: at(event, 'type') ?? at(json, 'type'), otherwise, time: at(json, 'event_time'), subject: channel ?? at(event, 'user'),
      correlations: [typeof channel === 'string' && typeof thread === 'string' && `${channel}/${thread}`],
    })];
  },
  answer: (inbound, json) => {
    const body = formOf(inbound) ? '' : challengeOf(json);
    return body === undefined ? undefined : { status: 200, contentType: 'text/plain', body };
  },
};

/** What Slack wants to read back when a URL is entered. */
function challengeOf(json: unknown): string | undefined {
  const challenge = at(json, 'challenge');
  return at(json, 'type') === 'url_verification' && typeof challenge === 'string' ? challenge : undefined;
}
