import { COLOURS, type Notice } from './notice.js';
import { clip } from './text.js';

// https://discord.com/developers/docs/resources/message#embed-object-embed-limits, and 6,000 characters in all: with 10 facts these make at most 5,520.
const TITLE = 256, DESCRIPTION = 1_800, NAME = 64, VALUE = 250, FOOTER = 320;

/** Discord reads Markdown and mentions nearly everywhere; a backslash takes the meaning away. */
const escape = (text: string): string => text.replace(/[\\`*_~|<>[\]()#@:]/g, (char) => `\\${char}`);

/** An embed with a coloured edge. Nobody is ever pinged, whatever the data says. */
export function discordOf({ title, text, facts, severity, link, occurredAt, eventType, eventId }: Notice): object {
  const embed = {
    title: clip(title, TITLE, escape),
    ...(text && { description: clip(text, DESCRIPTION, escape) }),
    ...(link && { url: link }),
    color: Number.parseInt(COLOURS[severity].slice(1), 16),
    fields: facts.map(({ name, value }) => ({ name: clip(name, NAME, escape), value: clip(value, VALUE, escape), inline: value.length <= 40 })),
    footer: { text: clip(`${eventType} · ${eventId}`, FOOTER) },
    timestamp: occurredAt,
  };
  return { embeds: [embed], allowed_mentions: { parse: [] } };
}
