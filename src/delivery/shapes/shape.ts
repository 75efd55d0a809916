import { envelopeOf } from '../../events/index.js';
import { cloudEventOf } from './cloud-events.js';
import { discordOf } from './discord.js';
import { type Message, type Shape, ShapeFault } from './message.js';
import { microsoftTeamsOf } from './microsoft-teams.js';
import { type Notice, noticeOf } from './notice.js';
import { contentTypeOf, type Form, type Format } from './options.js';
import { pagerDutyOf } from './pagerduty.js';
import { slackOf } from './slack.js';
import { templateShape } from './template.js';

const JSON_TYPE = 'application/json';

/** Chats are shown the same notice, each in its own dress. */
const chat = (dress: (notice: Notice) => object) => ({ options: { link_url } }: Form): [(message: Message) => string, string] => [(message) => JSON.stringify(dress(noticeOf(message, link_url))), JSON_TYPE];

/** For each format, from its options: the text of a message, and its content type. */
const SHAPES: Record<Format, (form: Form) => [text: (message: Message) => string, contentType: string]> = {
  lakehook: () => [envelopeOf, JSON_TYPE],
  cloudevents: ({ options: { source } }) => [(message) => cloudEventOf(message, source), 'application/cloudevents+json'],
  slack: chat(slackOf),
  microsoft_teams: chat(microsoftTeamsOf),
  discord: chat(discordOf),
  pagerduty: ({ options }) => [(message) => pagerDutyOf(noticeOf(message, options.link_url), message, options), JSON_TYPE],
  template: ({ options }) => [templateShape(options.template ?? '', options.content_type ?? JSON_TYPE), contentTypeOf(options)],
};

/**
 * How messages look in a form. The body is a function of the stored event and the form alone: the same bytes at every attempt,
 * redrive and replay. What fails to render, whatever the cause, is a {@link ShapeFault}: it is one message's trouble.
 */
export function shapeOf(form: Form): Shape {
  const [text, contentType] = SHAPES[form.format](form);
  return (message) => {
    try {
      return { body: Buffer.from(text(message)), contentType };
    } catch (error) {
      if (error instanceof ShapeFault) throw error;
      throw new ShapeFault(`The event could not be rendered as ${form.format}: ${(error as Error).message}`);
    }
  };
}
