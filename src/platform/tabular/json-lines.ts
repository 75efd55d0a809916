import { DecimalSum } from './decimal-sum.js';
import type { Output } from './output.js';
import { selectFrom } from './select.js';
import type { Column } from './table.js';
import type { TextEncoder, TextTable } from './text-file.js';

const TAB = 0x09;
const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const HEX = Buffer.from('0123456789abcdef');

/** What a letter behind a backslash stands for in COPY's text; every other one stands for itself. */
const COPY_ESCAPES: Record<string, number> = { b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };
const UNESCAPED = Uint8Array.from({ length: 256 }, (_, byte) => COPY_ESCAPES[String.fromCharCode(byte)] ?? byte);

/** The letter that JSON has for a byte behind a backslash; 0 where there is none. */
const JSON_ESCAPES = new Uint8Array(256);
for (const [letter, byte] of Object.entries({ '"': 0x22, '\\': 0x5c, b: 8, f: 12, n: 10, r: 13, t: 9 })) JSON_ESCAPES[byte] = letter.charCodeAt(0);

/**
 * One JSON object a line, with all columns in their order, NULL as `null`. Numbers have every digit that Postgres prints, JSON
 * columns stand there as JSON, times are RFC 3339 in UTC. What JSON has no number for (a `double` that is infinite or NaN) and
 * times without end are texts as Postgres prints them.
 *
 * Made from COPY's text format, whose escapes are nearly those of JSON.
 */
export function jsonTable(columns: Column[]): TextTable {
  return {
    copyFormat: 'text',
    select: (select) => selectFrom(select, columns, () => undefined),
    header: '',
    encoder: () => new JsonEncoder(columns),
  };
}

class JsonEncoder implements TextEncoder {
  readonly sums: DecimalSum[] = [];
  private readonly fields: { key: Buffer; type: Column['type']; sum?: DecimalSum }[];
  private readonly fixedBytes: number;

  constructor(columns: Column[]) {
    this.fields = columns.map(({ name, type }, index) => {
      const sum = typeof type === 'object' ? new DecimalSum(name, type.decimal) : undefined;
      if (sum) this.sums.push(sum);
      return { key: Buffer.from(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`), type, sum };
    });
    // Around a value there may be quotes, and `null` is two bytes longer than what COPY has for it.
    this.fixedBytes = this.fields.reduce((sum, { key }) => sum + key.length + 4, 2);
  }

  encode(bytes: Buffer, from: number, to: number, output: Output): void {
    // One byte becomes six at most (`\u001f`).
    output.reserve(this.fixedBytes + 6 * (to - from));
    const out = output.bytes;
    let into = output.at;
    let at = from;
    for (const { key, type, sum } of this.fields) {
      for (let index = 0; index < key.length; index++) out[into++] = key[index]!;
      if (bytes[at] === BACKSLASH && bytes[at + 1] === 0x4e) {
        into += out.write('null', into, 'latin1');
        at += 2;
      } else {
        output.at = into;
        if (type === 'text') at = copyText(bytes, at, output);
        else if (type === 'json') at = copyJson(bytes, at, output);
        else if (type === 'timestamp') at = copyTime(bytes, at, output);
        else if (type === 'uuid' || type === 'date') at = copyQuoted(bytes, at, output);
        else if (type === 'boolean') at = copyBoolean(bytes, at, output);
        // Nothing but a number begins with a digit and, behind a minus, `Infinity` is what is none.
        else if (type === 'double' && bytes[at + (bytes[at] === 0x2d ? 1 : 0)]! > NINE) at = copyQuoted(bytes, at, output);
        else {
          const begin = at;
          at = copyPlain(bytes, at, output);
          sum?.addText(bytes, begin, at);
        }
        into = output.at;
      }
      at++;
    }
    out[into++] = 0x7d;
    out[into++] = LF;
    output.at = into;
  }
}

// Each copies a field, answers where it ends, and moves on what was written.

function copyPlain(bytes: Buffer, from: number, output: Output): number {
  const out = output.bytes;
  let at = from;
  let into = output.at;
  for (let byte = bytes[at]!; byte !== TAB && byte !== LF; byte = bytes[++at]!) out[into++] = byte;
  output.at = into;
  return at;
}

function copyQuoted(bytes: Buffer, from: number, output: Output): number {
  output.bytes[output.at++] = QUOTE;
  const at = copyPlain(bytes, from, output);
  output.bytes[output.at++] = QUOTE;
  return at;
}

/** `2024-12-01 08:30:00.5+00` becomes `2024-12-01T08:30:00.5Z`. */
function copyTime(bytes: Buffer, from: number, output: Output): number {
  const out = output.bytes;
  let at = from;
  let into = output.at;
  let spaces = 0;
  out[into++] = QUOTE;
  for (let byte = bytes[at]!; byte !== TAB && byte !== LF; byte = bytes[++at]!) {
    if (byte === SPACE && spaces++ === 0) out[into++] = 0x54;
    else if (byte === PLUS) {
      out[into++] = 0x5a;
      at += 2;
    } else out[into++] = byte;
  }
  out[into++] = QUOTE;
  output.at = into;
  return at;
}

function copyBoolean(bytes: Buffer, from: number, output: Output): number {
  output.at += output.bytes.write(bytes[from] === 0x74 ? 'true' : 'false', output.at, 'latin1');
  return from + 1;
}

function copyText(bytes: Buffer, from: number, output: Output): number {
  const out = output.bytes;
  let at = from;
  let into = output.at;
  out[into++] = QUOTE;
  for (let byte = bytes[at]!; byte !== TAB && byte !== LF; byte = bytes[++at]!) {
    if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) {
      out[into++] = byte;
      continue;
    }
    const meant = byte === BACKSLASH ? UNESCAPED[bytes[++at]!]! : byte;
    out[into++] = BACKSLASH;
    const letter = JSON_ESCAPES[meant]!;
    if (letter !== 0) out[into++] = letter;
    else {
      out[into++] = 0x75;
      out[into++] = 0x30;
      out[into++] = 0x30;
      out[into++] = HEX[meant >> 4]!;
      out[into++] = HEX[meant & 15]!;
    }
  }
  out[into++] = QUOTE;
  output.at = into;
  return at;
}

/** JSON has line breaks and tabs only between its tokens, so there a space does as well, and a line stays a line. */
function copyJson(bytes: Buffer, from: number, output: Output): number {
  const out = output.bytes;
  let at = from;
  let into = output.at;
  for (let byte = bytes[at]!; byte !== TAB && byte !== LF; byte = bytes[++at]!) {
    const meant = byte === BACKSLASH ? UNESCAPED[bytes[++at]!]! : byte;
    out[into++] = meant < SPACE ? SPACE : meant;
  }
  output.at = into;
  return at;
}
