import type { Message } from './message.js';

/** What an attribute of CloudEvents may not hold: control characters and Unicode's noncharacters. Raw white space is dealt with before. */
const FORBIDDEN = /[\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]/g;

/**
 * CloudEvents 1.0 in structured mode, with `data` as it was published: nothing is parsed, so exact numbers survive.
 *
 * `metadata` travels as an extension attribute of that name. Attributes are scalars, so it is the JSON text in a string; empty
 * metadata is left out.
 */
export function cloudEventOf({ event_id, event_type, occurred_at, data, metadata }: Message, source = '/lakehook'): string {
  const extension = metadata === '{}' ? '' : `,"metadata":${JSON.stringify(attributeOf(metadata))}`;
  return `{"specversion":"1.0","id":${JSON.stringify(event_id)},"source":${JSON.stringify(source)},"type":${JSON.stringify(event_type)},"time":"${occurred_at.toISOString()}","datacontenttype":"application/json"${extension},"data":${data}}`;
}

/** In JSON text raw white space stands between values only, and any other character may be written as an escape. */
function attributeOf(json: string): string {
  return json.replace(/[\t\n\r]+/g, ' ').replace(FORBIDDEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
