/**
 * What must be known of Parquet's footer (parquet.thrift, `FileMetaData`, in Thrift's compact protocol) to check it and to add to
 * its key-value metadata: sums and counts are known only when the last row is written, and the encoder takes metadata before the first.
 */

const MAGIC = 'PAR1';
/** Wire types of the compact protocol. */
const STOP = 0;
const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const MAP = 11;
const STRUCT = 12;
const NUM_ROWS = 3;
const KEY_VALUE_METADATA = 5;

/** How many bytes at the end of a file are its footer, the eight behind it included; `tail` are at least its last eight. */
export function footerLength(tail: Buffer): number {
  if (tail.toString('latin1', tail.length - 4) !== MAGIC) throw new Error('the Parquet encoder has not ended its file');
  return tail.readUInt32LE(tail.length - 8) + 8;
}

/** The footer with more key-value metadata, in the given order behind what is there. Throws when it does not speak of `rows` rows. */
export function withMetadata(footer: Buffer, metadata: [string, string][], rows: number): Buffer {
  const reader = new Reader(footer.subarray(0, footer.length - 8));
  let numRows: bigint | undefined;
  let list: { from: number; size: number; elements: number; end: number } | undefined;
  for (let field = 0, header = reader.byte(); header !== STOP; header = reader.byte()) {
    field = header >> 4 === 0 ? Number(reader.zigzag()) : field + (header >> 4);
    if (field === NUM_ROWS) numRows = reader.zigzag();
    else if (field === KEY_VALUE_METADATA) {
      const from = reader.at;
      const size = reader.listSize();
      const elements = reader.at;
      for (let index = 0; index < size; index++) reader.skip(STRUCT);
      list = { from, size, elements, end: reader.at };
    } else reader.skip(header & 15);
  }
  if (numRows !== BigInt(rows)) throw new Error(`the Parquet encoder was given ${rows} rows and wrote ${numRows}`);
  // The encoder always writes one of its own, Arrow's schema.
  if (!list) throw new Error('the Parquet encoder wrote no metadata');
  const size = list.size + metadata.length;
  const body = Buffer.concat([
    footer.subarray(0, list.from),
    Buffer.from(size < 15 ? [(size << 4) | STRUCT] : [0xf0 | STRUCT, ...varint(size)]),
    footer.subarray(list.elements, list.end),
    ...metadata.map(([key, value]) => keyValue(key, value)),
    footer.subarray(list.end, footer.length - 8),
  ]);
  const end = Buffer.alloc(8);
  end.writeUInt32LE(body.length);
  end.write(MAGIC, 4, 'latin1');
  return Buffer.concat([body, end]);
}

/** A `KeyValue`: fields 1 and 2, both binary, each one further than the last. */
function keyValue(key: string, value: string): Buffer {
  return Buffer.concat([...binaryField(key), ...binaryField(value), Buffer.from([STOP])]);
}

function binaryField(content: string): Buffer[] {
  return [Buffer.from([0x10 | BINARY, ...varint(Buffer.byteLength(content))]), Buffer.from(content)];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

class Reader {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  byte(): number {
    return this.bytes[this.at++]!;
  }

  zigzag(): bigint {
    const value = this.varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  listSize(): number {
    return this.listHeader().size;
  }

  skip(type: number): void {
    switch (type) {
      case TRUE: case FALSE: return;
      case BYTE: this.at++; return;
      case DOUBLE: this.at += 8; return;
      case BINARY: {
        const length = Number(this.varint());
        this.at += length;
        return;
      }
      case LIST: case SET: {
        const { size, of } = this.listHeader();
        // In a list a boolean is a byte.
        for (let index = 0; index < size; index++) this.skip(of === TRUE || of === FALSE ? BYTE : of);
        return;
      }
      case STRUCT:
        for (let header = this.byte(); header !== STOP; header = this.byte()) {
          if (header >> 4 === 0) this.varint();
          this.skip(header & 15);
        }
        return;
      case MAP: throw new Error('no map is known in Parquet’s footer');
      default: this.varint();
    }
  }

  private listHeader(): { size: number; of: number } {
    const header = this.byte();
    return { size: header >> 4 === 15 ? Number(this.varint()) : header >> 4, of: header & 15 };
  }

  private varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }
}
