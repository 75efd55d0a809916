import { describe, expect, test } from 'vitest';
import { BUILT_IN_TYPES, exampleOf } from './examples.js';
import type { Message } from './message.js';
import { COLOURS, noticeOf } from './notice.js';
import type { Format, FormatOptions } from './options.js';
import { shapeOf } from './shape.js';

const NOW = Date.UTC(2026, 10, 22, 9, 30);
const KEY = 'R0123456789abcdefR0123456789abcd';
const LINK = 'https://lake.example/events/{event_id}?type={event_type}';
const OPTIONS: Partial<Record<Format, FormatOptions>> = {
  slack: { link_url: LINK }, microsoft_teams: { link_url: LINK }, discord: { link_url: LINK }, pagerduty: { routing_key: KEY, link_url: LINK },
};
const FORMATS = Object.keys(OPTIONS) as Format[];

const messageOf = (event_type: string, data: string, more: Partial<Message> = {}): Message => ({ event_id: 'evt-1', event_type, occurred_at: new Date(NOW), data, metadata: '{}', ...more });
const render = (format: Format, message: Message, options = OPTIONS[format]!): string => shapeOf({ format, options })(message).body.toString();

// What a vendor gets is looked at freely.
// oxlint-disable-next-line no-explicit-any
type Json = any;

const text = (value: unknown, least: number, most: number, what: string): void => {
  expect(typeof value, what).toBe('string');
  expect((value as string).length, what).toBeGreaterThanOrEqual(least);
  expect((value as string).length, what).toBeLessThanOrEqual(most);
  expect((value as string).isWellFormed(), what).toBe(true);
  if (least > 0) expect((value as string).trim(), what).not.toBe('');
};
const keys = (value: object, allowed: string): void => expect(allowed.split(' ')).toEqual(expect.arrayContaining(Object.keys(value)));

/** What each vendor documents as required, and its limits. Shares nothing with the shapes. */
const RULES: Record<string, (body: Json, bytes: number) => void> = {
  // docs.slack.dev/reference/block-kit/blocks
  slack(body) {
    keys(body, 'text blocks attachments');
    text(body.text, 1, 40_000, 'text');
    expect(body.attachments).toHaveLength(1);
    keys(body.attachments[0], 'color blocks');
    expect(body.attachments[0].color).toMatch(/^#[0-9a-f]{6}$/);
    const blocks = [...body.blocks, ...body.attachments[0].blocks] as Json[];
    expect(blocks.length).toBeLessThanOrEqual(50);
    const textObject = (object: Json, most: number, types = ['plain_text', 'mrkdwn']): void => {
      expect(types).toContain(object.type);
      keys(object, object.type === 'mrkdwn' ? 'type text verbatim' : 'type text emoji');
      text(object.text, 1, most, 'text object');
      // Nothing that Slack reads as a mention, a link or a broken entity.
      expect(object.text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
    };
    for (const block of blocks) {
      if (block.type === 'header') textObject(block.text, 150, ['plain_text']);
      else if (block.type === 'section') {
        expect(block.text ?? block.fields).toBeDefined();
        if (block.text) textObject(block.text, 3_000);
        if (block.fields) {
          expect(block.fields.length).toBeGreaterThan(0);
          expect(block.fields.length).toBeLessThanOrEqual(10);
          for (const field of block.fields) textObject(field, 2_000);
        }
      } else if (block.type === 'actions') {
        expect(block.elements.length).toBeLessThanOrEqual(25);
        for (const { type, text: label, url } of block.elements) {
          expect(type).toBe('button');
          textObject(label, 75, ['plain_text']);
          text(new URL(url).href, 1, 3_000, 'url');
        }
      } else {
        expect(block.type).toBe('context');
        expect(block.elements.length).toBeLessThanOrEqual(10);
        for (const element of block.elements) textObject(element, 2_000);
      }
    }
  },
  // learn.microsoft.com: "Post to a channel when a webhook request is received", and adaptivecards.io/explorer
  microsoft_teams(body, bytes) {
    expect(bytes).toBeLessThanOrEqual(28 * 1024);
    expect(body.type).toBe('message');
    expect(body.attachments).toHaveLength(1);
    const [{ contentType, contentUrl, content }] = body.attachments;
    expect([contentType, contentUrl]).toEqual(['application/vnd.microsoft.card.adaptive', null]);
    keys(content, '$schema type version msteams fallbackText body actions');
    expect([content.$schema, content.type, content.version]).toEqual(['http://adaptivecards.io/schemas/adaptive-card.json', 'AdaptiveCard', expect.stringMatching(/^1\.[2-5]$/)]);
    const element = (item: Json): void => {
      if (item.type === 'Container') {
        expect(['default', 'emphasis', 'good', 'attention', 'warning', 'accent', undefined]).toContain(item.style);
        expect(item.items.length).toBeGreaterThan(0);
        item.items.forEach(element);
        return;
      }
      // No TextBlock and no FactSet: those read Markdown.
      expect(item.type).toBe('RichTextBlock');
      expect(item.inlines.length).toBeGreaterThan(0);
      for (const run of item.inlines) {
        expect(run.type).toBe('TextRun');
        text(run.text, 1, 10_000, 'text run');
        expect(['Small', 'Default', 'Medium', 'Large', 'ExtraLarge', undefined]).toContain(run.size);
        expect(['Lighter', 'Default', 'Bolder', undefined]).toContain(run.weight);
      }
    };
    content.body.forEach(element);
    for (const action of content.actions ?? []) {
      expect(action).toMatchObject({ type: 'Action.OpenUrl', title: expect.any(String) });
      expect(new URL(action.url).protocol).toBe('https:');
    }
  },
  // discord.com/developers/docs/resources/webhook#execute-webhook and message#embed-object-embed-limits
  discord(body) {
    keys(body, 'embeds allowed_mentions');
    expect(body.allowed_mentions).toEqual({ parse: [] });
    expect(body.embeds).toHaveLength(1);
    const [embed] = body.embeds as Json[];
    keys(embed, 'title description url color fields footer timestamp');
    text(embed.title, 1, 256, 'title');
    if (embed.description !== undefined) text(embed.description, 1, 4_096, 'description');
    text(embed.footer.text, 1, 2_048, 'footer');
    expect(embed.color).toBeGreaterThanOrEqual(0);
    expect(embed.color).toBeLessThanOrEqual(0xffffff);
    expect(new Date(embed.timestamp).toISOString()).toBe(embed.timestamp);
    expect(embed.fields.length).toBeLessThanOrEqual(25);
    for (const field of embed.fields) {
      text(field.name, 1, 256, 'field name');
      text(field.value, 1, 1_024, 'field value');
      expect(typeof field.inline).toBe('boolean');
    }
    const all = [embed.title, embed.description ?? '', embed.footer.text, ...embed.fields.flatMap((field: Json) => [field.name, field.value])].join('');
    expect(all.length).toBeLessThanOrEqual(6_000);
    // Mentions, links and code only behind a backslash.
    expect(all.replace(/\\./gs, '').replaceAll(embed.footer.text, '')).not.toMatch(/[<>@`[\]*_~|]/);
  },
  // developer.pagerduty.com/docs/send-alert-event
  pagerduty(body, bytes) {
    expect(bytes).toBeLessThanOrEqual(512 * 1024);
    keys(body, 'routing_key event_action dedup_key payload client client_url links');
    expect(body.routing_key).toHaveLength(32);
    expect(['trigger', 'resolve']).toContain(body.event_action);
    text(body.dedup_key, 1, 255, 'dedup_key');
    if (body.event_action === 'resolve') return;
    keys(body.payload, 'summary source severity timestamp component group class custom_details');
    text(body.payload.summary, 1, 1_024, 'summary');
    text(body.payload.source, 1, 255, 'source');
    expect(['critical', 'error', 'warning', 'info']).toContain(body.payload.severity);
    expect(new Date(body.payload.timestamp).toISOString()).toBe(body.payload.timestamp);
    for (const link of body.links ?? []) expect(new URL(link.href).protocol).toBe('https:');
  },
};

function check(format: Format, message: Message): Json {
  const body = render(format, message);
  const parsed = JSON.parse(body);
  RULES[format]!(parsed, Buffer.byteLength(body));
  expect(render(format, message)).toBe(body);
  return parsed;
}

/** What a reader sees, from any of the chats. */
const TITLES: Record<string, (body: Json) => string> = {
  slack: (body) => body.blocks[0].text.text,
  microsoft_teams: (body) => body.attachments[0].content.body[0].items[0].inlines[0].text,
  discord: (body) => body.embeds[0].title.replaceAll('\\', ''),
  pagerduty: (body) => body.payload?.summary ?? '',
};

describe.each(FORMATS)('%s', (format) => {
  test.each(BUILT_IN_TYPES)('shows %s with a title, its facts and a link, within the limits', (type) => {
    const message = messageOf(type, exampleOf(type, NOW));
    const body = check(format, message);
    const { title, facts, resolved } = noticeOf(message);
    expect(facts.length).toBeGreaterThanOrEqual(1);
    if (format === 'pagerduty' && resolved) return expect(body.event_action).toBe('resolve');
    expect(TITLES[format]!(body)).toContain(title);
    const all = JSON.stringify(body).replaceAll('\\', '');
    if (format !== 'pagerduty') for (const { value } of facts) expect(all).toContain(value);
    expect(all).toContain(`https://lake.example/events/evt-1?type=${encodeURIComponent(type)}`);
  });

  test('shows a type it does not know by its name and what stands at the top of its data', () => {
    const message = messageOf('order.created', '{"message":"A new order","total":12.5,"paid":true,"id":9007199254740993,"lines":[{"sku":"nested"}],"none":null}');
    check(format, message);
    const all = render(format, message).replaceAll('\\', '');
    for (const seen of ['order.created', 'A new order', 'total', '12.5', 'paid', 'true', '9007199254740993']) expect(all).toContain(seen);
    // Only PagerDuty has room for the data as a whole.
    expect(all.includes('nested')).toBe(format === 'pagerduty');
  });

  test('keeps its JSON and its limits whatever the data is', () => {
    for (const message of hostileMessages()) check(format, message);
  });
});

/** Random but repeatable. */
function* randoms(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

const NASTY = [
  '', ' ', '\u200b', '\u2028', '"', '\\', '\\\\"', "'", '<!channel>', '<@U123>', '<https://evil.example|Your bank>', '[Your bank](https://evil.example)', '@everyone', '@here', '<@&1>', '`', '```', '**', '||', '~~',
  '&amp;', '&', '&&&&', '<', '<<<<', '>', '\u0000\u0001\u001b[31m', '\u202egnp.exe', '\ud83d\ude00', '\ud83d', '\ude00', '\n# heading\n- list', '{{ data }}', '{% raw %}', '${x}', '</script>', '日本語', '𝕏'.repeat(3), 'a'.repeat(50), '\u00e9\u0301',
];

function* hostileMessages(): Generator<Message> {
  for (const data of ['[]', '[1,2]', '"text"', '""', 'null', 'true', '0', '-1e308', '1e400', '{}', '{"":""}', '{"a":{}}', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, '{"constructor":"x","toString":"y","hasOwnProperty":"z"}', '{"severity":"__proto__","status":["resolved"]}']) {
    for (const type of ['order.created', 'anomaly_detected', 'daily_summary']) yield messageOf(type, data);
  }
  const random = randoms(20_261_122);
  const next = (below: number): number => Math.floor((random.next().value as number) * below);
  const nasty = (): string => Array.from({ length: next(6) }, () => NASTY[next(NASTY.length)]!.repeat(next(10) === 0 ? 3_000 : 1)).join('');
  const value = (depth: number): unknown => {
    const kind = next(depth > 3 ? 6 : 8);
    if (kind < 3) return nasty();
    if (kind === 3) return [0, -0, 1e21, 5e-324, -1.5e300, 123_456.789, 1e15][next(7)];
    if (kind === 4) return next(2) === 0;
    if (kind === 5) return null;
    if (kind === 6) return Array.from({ length: next(5) }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: next(5) }, () => [nasty(), value(depth + 1)]));
  };
  const names = BUILT_IN_TYPES.flatMap((type) => Object.keys(JSON.parse(exampleOf(type, NOW)) as object));
  for (let round = 0; round < 120; round++) {
    const type = next(3) === 0 ? 'x.y_failed' : BUILT_IN_TYPES[next(BUILT_IN_TYPES.length)]!;
    const members = [...names, 'message', 'summary', 'severity', 'status', 'dedup_key', 'resolved', nasty(), nasty()].filter(() => next(3) > 0).map((name) => [name, value(0)] as const);
    yield messageOf(type, JSON.stringify(Object.fromEntries(members)));
  }
  const longest = 'Z'.repeat(200);
  yield messageOf('t'.repeat(255), `{"message":"${'<&>'.repeat(300_000)}"}`, { event_id: longest });
  // As long as every part may be, in the widest characters.
  for (const wide of ['日', '"', '*']) yield messageOf('t'.repeat(255), JSON.stringify({ message: wide.repeat(5_000), ...Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`${n}${wide.repeat(200)}`, wide.repeat(5_000)])) }), { event_id: longest });
  yield messageOf('anomaly_detected', JSON.stringify(Object.fromEntries(names.map((name) => [name, '😀<@everyone>'.repeat(2_000)]))), { event_id: longest });
}

test.each([
  ['anomaly_detected', 'Cost anomaly in AmazonEC2', 'error', ['$1,389.27', '$412.50', '236.8%']],
  ['budget_exceeded', 'Budget exceeded: Platform team', 'error', ['$20,431.18', '$20,000.00', '102.2%']],
  ['daily_summary', 'Costs of 2026-11-22: $4,812.09', 'info', ['-3.4%', '$2,140.55', '$908.10']],
  ['forecast_updated', 'Forecast for 2026-11: $143,227.76', 'info', ['$138,900.00', '$147,600.00']],
  ['resource_idle', 'Idle resource: i-0abc123def4567890', 'warning', ['14', '$61.32']],
  ['webhook.disabled', 'Webhook disabled', 'error', ['01900000-0000-7000-8000-000000000001']],
  ['delivery.exhausted', 'Delivery given up: anomaly_detected', 'error', ['4']],
  ['export.completed', 'Export completed: cost_data', 'success', ['1,250,000', '48.2 MB']],
  ['export.failed', 'Export failed: cost_data', 'error', ['parquet']],
  ['cost_import.completed', 'Cost import completed: 2026-11', 'success', ['182,440', '$143,227.76']],
  ['cost_import.failed', 'Cost import failed: 2026-11', 'error', ['cur']],
])('%s is told as “%s”', (type, title, severity, values) => {
  const notice = noticeOf(messageOf(type, exampleOf(type, NOW)));
  expect(notice).toMatchObject({ title, severity });
  expect(notice.text).not.toBe('');
  expect(notice.facts.map(({ value }) => value)).toEqual(expect.arrayContaining(values));
  expect(BUILT_IN_TYPES).toContain(type);
});

test.each([
  ['1389.27', 'EUR', '€1,389.27'], ['1389.27', 'JPY', '¥1,389'], ['143227.763678187615017991050', 'USD', '$143,227.76'], ['0.0042', 'USD', '$0.0042'], ['-5', 'USD', '-$5.00'],
  ['12', 'XYZ', 'XYZ\u00a012.00'], ['12', 'dollars', '12.00'], ['"61.5"', 'USD', '$61.50'], ['0', 'USD', '$0.00'],
])('an amount of %s %s is shown as %s', (amount, currency, shown) => {
  const { facts } = noticeOf(messageOf('resource_idle', `{"monthly_cost":${amount},"currency":"${currency}"}`));
  expect(facts.find(({ name }) => name === 'Monthly cost')?.value.replaceAll('\u00a0', ' ')).toBe(shown.replaceAll('\u00a0', ' '));
});

test('the severity in the data decides, and gives the colour', () => {
  for (const [word, severity, discord] of [['critical', 'critical', 0xb42318], ['high', 'error', 0xd92d20], ['medium', 'warning', 0xf79009], ['LOW', 'info', 0x2e90fa]] as const) {
    const message = messageOf('anomaly_detected', `{"service":"S","severity":"${word}"}`);
    expect(noticeOf(message).severity).toBe(severity);
    expect(JSON.parse(render('slack', message)).attachments[0].color).toBe(COLOURS[severity]);
    expect(JSON.parse(render('discord', message)).embeds[0].color).toBe(discord);
    expect(JSON.parse(render('pagerduty', message)).payload.severity).toBe(severity);
  }
  expect(JSON.parse(render('pagerduty', messageOf('x', '{"severity":"low"}'), { routing_key: KEY, severity: 'critical' })).payload.severity).toBe('critical');
});

test('PagerDuty gets the end of a trouble under the key of its beginning', () => {
  const pair = (begin: [string, object], end: [string, object]): [Json, Json] => [begin, end].map(([type, data]) => JSON.parse(render('pagerduty', messageOf(type, JSON.stringify(data), { event_id: `id-of-${type}` })))) as [Json, Json];
  for (const [begin, end] of [
    pair(['anomaly_detected', { service: 'S', account: 'A', date: 'D' }], ['anomaly_detected', { service: 'S', account: 'A', date: 'D', status: 'resolved' }]),
    pair(['export.failed', { export_id: 'e1' }], ['export.completed', { export_id: 'e1' }]),
    pair(['cost_import.failed', { import_id: 'i1' }], ['cost_import.completed', { import_id: 'i1' }]),
    pair(['disk.full', { dedup_key: 'disk-1' }], ['disk.full_resolved', { dedup_key: 'disk-1' }]),
    pair(['disk.full', { dedup_key: 'k'.repeat(300) }], ['disk.ok', { dedup_key: 'k'.repeat(300), resolved: true }]),
  ]) {
    expect([begin.event_action, end.event_action]).toEqual(['trigger', 'resolve']);
    expect(end.dedup_key).toBe(begin.dedup_key);
    expect(end).not.toHaveProperty('payload');
  }
  const other = pair(['anomaly_detected', { service: 'S', account: 'A', date: 'D' }], ['anomaly_detected', { service: 'S', account: 'A', date: 'E' }]);
  expect(other[0].dedup_key).not.toBe(other[1].dedup_key);
  expect(JSON.parse(render('pagerduty', messageOf('disk.full', '{}'))).dedup_key).toBe('evt-1');
});

test('PagerDuty gets the data as it was published, or the facts where it is too large', () => {
  const exact = '{ "amount" : 143227.763678187615017991050, "id": 9007199254740993 }';
  expect(render('pagerduty', messageOf('x', exact))).toContain(`"data":${exact}`);
  const large = JSON.parse(render('pagerduty', messageOf('x', JSON.stringify({ name: 'n', blob: 'b'.repeat(70_000) }))));
  expect(large.payload.custom_details).toMatchObject({ event_id: 'evt-1', facts: expect.arrayContaining([{ name: 'name', value: 'n' }]), note: expect.stringContaining('too large') });
});
