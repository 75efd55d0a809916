import { Injectable } from '@nestjs/common';
import type { NewEvent } from '../../events/index.js';
import { Clock, type Fault, MASK, Problem, Sealer, uuidv7, type Webhook } from '../../platform/index.js';
import { exampleMessage, exampleOf } from '../shapes/examples.js';
import { type Message, type Shaped, ShapeFault } from '../shapes/message.js';
import { type Form, type Format, type FormatOptions, readForm } from '../shapes/options.js';
import { shapeOf } from '../shapes/shape.js';
import { formatPlace } from './endpoints.js';
import { isElsewhere } from './mask.js';
import type { Preview, ReplaceWebhook } from './webhooks.dto.js';

type Fields = Partial<Pick<ReplaceWebhook, 'url' | 'format' | 'format_options' | 'events'>>;

/** The formats of webhooks: checked, sealed, shown. */
@Injectable()
export class Forms {
  constructor(private readonly sealer: Sealer, private readonly clock: Clock) {}

  /** What is wrong with a format, where one is given. It is tried on an example of what the webhook listens to. */
  faults(fields: Fields, stored?: Webhook): Fault[] {
    const known = stored && this.open(stored);
    // A routing key goes out with every body: pointed elsewhere, the webhook would give it away.
    const kept = fields.format_options ? fields.format_options.routing_key === MASK : known?.options.routing_key !== undefined && (fields.format ?? known.format) === known.format;
    if (kept && isElsewhere(stored?.url, fields.url)) return [{ pointer: fields.format_options ? '/format_options/routing_key' : '/url', detail: 'the url leads to another origin, so `routing_key` must be given anew' }];
    if (fields.format === undefined && fields.format_options === undefined) return [];
    const form = readForm(fields, known);
    if (Array.isArray(form)) return form;
    const shaped = tryShape(form, exampleMessage(fields.events ?? stored?.events ?? ['*'], this.clock.now()));
    return shaped instanceof ShapeFault ? [{ pointer: '/format_options/template', detail: sentenceOf(shaped) }] : [];
  }

  /** The columns of a format, where one is given. Read over the row as it is now: of two changes the second may no longer fit. */
  columns(webhookId: string, fields: Fields, stored?: Webhook): { format?: string; formatOptions?: string | null } {
    if (fields.format === undefined && fields.format_options === undefined) return {};
    const form = readForm(fields, stored && this.open(stored));
    if (Array.isArray(form)) throw Problem.invalid(...form);
    return { format: form.format, formatOptions: Object.keys(form.options).length > 0 ? this.sealer.seal(JSON.stringify(form.options), formatPlace(webhookId)) : null };
  }

  /** What answers show. */
  view(row: Webhook): { format: string; format_options: FormatOptions } {
    const { format, options } = this.open(row);
    return { format, format_options: maskOptions(options) };
  }

  /** What a webhook would be sent for an event, or for an example of a type. Sends and stores nothing. */
  preview(row: Webhook, event: NewEvent | string): Preview {
    const { format, options } = this.open(row);
    const now = this.clock.now();
    const example = (eventType: string): NewEvent => ({ eventType, data: exampleOf(eventType, now), metadata: '{"test":true}' });
    const { eventId = uuidv7(now), eventType, occurredAt = now, data, metadata } = typeof event === 'string' ? example(event) : event;
    const shaped = tryShape({ format, options: maskOptions(options) }, { event_id: eventId, event_type: eventType, occurred_at: new Date(occurredAt), data, metadata });
    if (shaped instanceof ShapeFault) throw Problem.invalid({ pointer: typeof event === 'string' ? '/event_type' : '/event', detail: sentenceOf(shaped) });
    return { content_type: shaped.contentType, body: shaped.body.toString('utf8') };
  }

  /** Sealed with a key that is gone, options read as none: the webhook must still be listed, and can be given new ones. */
  private open({ webhookId, format, formatOptions }: Webhook): Form {
    let options: FormatOptions = {};
    try {
      if (formatOptions) options = JSON.parse(this.sealer.open(formatOptions, formatPlace(webhookId))) as FormatOptions;
    } catch {}
    return { format: format as Format, options };
  }
}

function maskOptions({ routing_key, ...options }: FormatOptions): FormatOptions {
  return { ...options, ...(routing_key !== undefined && { routing_key: MASK }) };
}

function tryShape(form: Form, message: Message): Shaped | ShapeFault {
  try {
    return shapeOf(form)(message);
  } catch (error) {
    return error as ShapeFault;
  }
}

/** For the caller, whose event it is. */
function sentenceOf({ message, quote }: ShapeFault): string {
  return quote ? `${message} (${quote})` : message;
}
