import { DecimalSum } from './decimal-sum.js';
import type { Output } from './output.js';
import type { Column, Format } from './table.js';
import { quoted, selectFrom } from './select.js';
import type { TextEncoder, TextTable } from './text-file.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const LF = 0x0a;
const CR = 0x0d;

/**
 * CSV as RFC 4180 has it, from COPY's own: a header, lines that end in CR LF, quotes doubled. NULL is an empty field and an empty
 * text is `""`. Numbers are as Postgres prints them, booleans `true` and `false`, times `2024-12-01 08:30:00.5+00`.
 */
export function csvTable(columns: Column[], format: Extract<Format, { kind: 'csv' }>): TextTable {
  const decimals = columns.map(({ type }) => typeof type === 'object');
  return {
    copyFormat: 'csv',
    select: (select) => selectFrom(select, columns, (column, name) => (column.type === 'boolean' ? `${name}::boolean::text` : column.type === 'text' && format.formulaSafe ? harmless(name) : undefined)),
    header: `${columns.map(({ name }) => (/[",\r\n]/.test(name) ? quoted(name) : name)).join(',')}\r\n`,
    encoder: () => new CsvEncoder(columns, decimals.lastIndexOf(true)),
  };
}

/** What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), full-width forms included, gets an apostrophe in front. */
function harmless(name: string): string {
  return `CASE WHEN ${name}::text ~ '^[=+@\\t\\r\\n＝＋－＠-]' THEN '''' || ${name}::text ELSE ${name}::text END`;
}

class CsvEncoder implements TextEncoder {
  readonly sums: DecimalSum[] = [];
  private readonly sumAt: (DecimalSum | undefined)[];

  constructor(columns: Column[], private readonly lastDecimal: number) {
    this.sumAt = columns.map(({ name, type }) => {
      if (typeof type !== 'object') return undefined;
      const sum = new DecimalSum(name, type.decimal);
      this.sums.push(sum);
      return sum;
    });
  }

  encode(bytes: Buffer, from: number, to: number, output: Output): void {
    if (this.lastDecimal >= 0) this.addUp(bytes, from);
    output.reserve(to - from + 1);
    bytes.copy(output.bytes, output.at, from, to - 1);
    output.at += to - from + 1;
    output.bytes[output.at - 2] = CR;
    output.bytes[output.at - 1] = LF;
  }

  private addUp(bytes: Buffer, from: number): void {
    let at = from;
    for (let column = 0; column <= this.lastDecimal; column++) {
      const begin = at;
      // Inside quotes a doubled quote ends them and begins them again.
      if (bytes[at] === QUOTE) {
        do {
          at++;
          while (bytes[at] !== QUOTE) at++;
          at++;
        } while (bytes[at] === QUOTE);
      } else for (let byte = bytes[at]!; byte !== COMMA && byte !== LF; byte = bytes[++at]!);
      const sum = this.sumAt[column];
      if (sum && at > begin) sum.addText(bytes, begin, at);
      at++;
    }
  }
}
