import type { Notice, Severity } from './notice.js';
import { clip } from './text.js';

/** A message to Teams may have 28 KB. At three bytes a character these leave a third of that free. */
const TITLE = 256, TEXT = 2_000, NAME = 60, VALUE = 256;

const STYLES: Record<Severity, string> = { critical: 'attention', error: 'attention', warning: 'warning', info: 'accent', success: 'good' };

/** Text runs are shown as they are: Teams reads Markdown in text blocks and fact sets, and data must not become links there. */
const line = (...inlines: object[]): object => ({ type: 'RichTextBlock', inlines });
const run = (text: string, more: object = {}): object => ({ type: 'TextRun', text, ...more });

/** An Adaptive Card, wrapped as the webhook of a Teams workflow takes it. */
export function microsoftTeamsOf({ title, text, facts, severity, link, eventType, eventId }: Notice): object {
  const head = [line(run(clip(title, TITLE), { size: 'Large', weight: 'Bolder' })), ...(text ? [line(run(clip(text, TEXT)))] : [])];
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json', type: 'AdaptiveCard', version: '1.4', msteams: { width: 'Full' }, fallbackText: clip(title, TITLE),
    body: [
      { type: 'Container', style: STYLES[severity], bleed: true, items: head },
      ...(facts.length > 0 ? [{ type: 'Container', items: facts.map(({ name, value }) => ({ ...line(run(`${clip(name, NAME)}: `, { weight: 'Bolder' }), run(clip(value, VALUE))), spacing: 'Small' })) }] : []),
      line(run(clip(`${eventType} · ${eventId}`, 500), { size: 'Small', isSubtle: true })),
    ],
    ...(link && { actions: [{ type: 'Action.OpenUrl', title: 'Open', url: link }] }),
  };
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }] };
}
