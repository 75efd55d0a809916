import { COLOURS, type Notice } from './notice.js';
import { clip } from './text.js';

// https://docs.slack.dev/reference/block-kit/blocks: a header holds 150 characters, a section 3,000, each of its at most 10 fields 2,000.
const HEADER = 150, SECTION = 3_000, FIELD = 2_000, FALLBACK = 3_000;

/** The three characters with a meaning of their own. Mentions and links are written with `<`, so none comes out of data. */
const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escape = (text: string): string => text.replace(/[&<>]/g, (char) => ESCAPES[char]!);

const plain = (text: string, most: number): object => ({ type: 'plain_text', text: clip(text, most, escape), emoji: false });
// Verbatim: what looks like a URL or a channel stays text.
const mrkdwn = (text: string): object => ({ type: 'mrkdwn', text, verbatim: true });

/** Block Kit: the title as a header, the rest in an attachment, which is what has a coloured edge. `text` is for notifications. */
export function slackOf({ title, text, facts, severity, link, eventType, eventId }: Notice): object {
  const blocks = [
    ...(text ? [{ type: 'section', text: plain(text, SECTION) }] : []),
    ...(facts.length > 0 ? [{ type: 'section', fields: facts.map(({ name, value }) => mrkdwn(`*${clip(name, 200, escape)}*\n${clip(value, FIELD - 210, escape)}`)) }] : []),
    ...(link ? [{ type: 'actions', elements: [{ type: 'button', text: plain('Open', 75), url: link }] }] : []),
    { type: 'context', elements: [plain(`${eventType} · ${eventId}`, 1_000)] },
  ];
  return {
    text: clip(text ? `${title}: ${text}` : title, FALLBACK, escape),
    blocks: [{ type: 'header', text: plain(title, HEADER) }],
    attachments: [{ color: COLOURS[severity], blocks }],
  };
}
