import { type Fault, pointerTo } from '../../platform/index.js';
import { unmask } from '../webhooks/mask.js';
import { isJson, MAX_TEMPLATE } from './template.js';

export const FORMATS = ['lakehook', 'cloudevents', 'slack', 'microsoft_teams', 'pagerduty', 'discord', 'template'] as const;
export type Format = (typeof FORMATS)[number];

/** What a format can be told. All are texts. */
export interface FormatOptions {
  template?: string;
  content_type?: string;
  /** A secret. */
  routing_key?: string;
  severity?: string;
  link_url?: string;
  source?: string;
}

/** How a webhook wants its bodies. */
export interface Form {
  format: Format;
  options: FormatOptions;
}

type OptionName = keyof FormatOptions;

/** What each format accepts, and what it cannot do without. */
const ACCEPTED: Record<Format, { required?: OptionName[]; optional?: OptionName[] }> = {
  lakehook: {},
  cloudevents: { optional: ['source'] },
  slack: { optional: ['link_url'] },
  microsoft_teams: { optional: ['link_url'] },
  pagerduty: { required: ['routing_key'], optional: ['severity', 'source', 'link_url'] },
  discord: { optional: ['link_url'] },
  template: { required: ['template'], optional: ['content_type'] },
};

/** What is wrong with a value, or undefined. */
const CHECKS: Record<OptionName, (value: string, format: Format) => string | undefined> = {
  template: (value) => (value.length === 0 || value.length > MAX_TEMPLATE ? `must be 1 to ${MAX_TEMPLATE} characters` : undefined),
  content_type: (value) => {
    if (value.length > 200 || !/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+([ \t]*;[ \t]*[\w-]+=("[\w .-]*"|[\w.-]+))*$/.test(value)) return 'must be a media type, such as text/plain';
    if (/^multipart\//i.test(value)) return 'must not be a multipart type';
    const charset = /;\s*charset="?([\w.-]*)/i.exec(value)?.[1];
    return charset !== undefined && !/^utf-?8$/i.test(charset) ? 'must have the charset utf-8, if any: that is what is sent' : undefined;
  },
  routing_key: (value) => (/^[A-Za-z0-9]{32}$/.test(value) ? undefined : 'must be the 32 letters and digits of an Events API v2 integration key'),
  severity: (value) => (/^(critical|error|warning|info)$/.test(value) ? undefined : 'must be one of critical, error, warning, info'),
  link_url: (value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return value.length <= 1_000 && url && /^https?:$/.test(url.protocol) && /^[\x21-\x7e]*$/.test(value) ? undefined : 'must be an http or https URL of at most 1000 printable ASCII characters';
  },
  source: (value, format) => {
    if (value.length === 0 || value.length > 255 || !/^[\x20-\x7e]*$/.test(value)) return 'must be 1 to 255 printable ASCII characters';
    return format === 'cloudevents' && !/^([\w.~:/?#[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/.test(value) ? 'must be a URI reference, such as /billing or https://example.com' : undefined;
  },
};

/**
 * Reads the format and its options from the wire, over those that are stored. Options are set as a whole; where the format
 * stays and none are given they stay too, and a masked secret stands for the stored one.
 */
export function readForm({ format: wanted, format_options: given }: { format?: string; format_options?: Record<string, unknown> }, stored?: Form): Form | Fault[] {
  const format = FORMATS.find((name) => name === (wanted ?? stored?.format ?? 'lakehook'));
  if (!format) return [{ pointer: '/format', detail: `must be one of ${FORMATS.join(', ')}` }];
  const known = stored?.format === format ? stored.options : {};
  const { value: options, faults } = unmask<Record<string, unknown>>(given ?? { ...known }, known, '/format_options');
  const { required = [], optional = [] } = ACCEPTED[format];
  for (const [name, value] of Object.entries(options)) {
    const pointer = pointerTo('/format_options', name);
    if (faults.some((fault) => fault.pointer === pointer)) continue;
    const accepts = [...required, ...optional].find((option) => option === name);
    const detail = !accepts ? `is not an option of the format ${format}` : typeof value !== 'string' ? 'must be a string' : CHECKS[accepts](value, format);
    if (detail) faults.push({ pointer, detail });
  }
  for (const name of required) if (!Object.hasOwn(options, name)) faults.push({ pointer: `/format_options/${name}`, detail: `is required by the format ${format}` });
  return faults.length > 0 ? faults : { format, options: options as FormatOptions };
}

/** The content type of a rendered template. */
export function contentTypeOf({ content_type = 'application/json' }: FormatOptions): string {
  return /charset=/i.test(content_type) || isJson(content_type) ? content_type : `${content_type}; charset=utf-8`;
}
