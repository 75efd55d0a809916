import { Field, RecordBatch as ArrowBatch, RecordBatchStreamWriter, Schema, Struct, makeData } from 'apache-arrow';
import { Compression, EnabledStatistics, type RecordBatch, Table, transformParquetStream, type WriterProperties, WriterPropertiesBuilder } from 'parquet-wasm';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { builderOf, type ColumnBuilder, DecimalBuilder } from './column-builders.js';
import type { DecimalSum } from './decimal-sum.js';
import { footerLength, withMetadata } from './parquet-footer.js';
import type { Precision } from './precision.js';
import type { Rows } from './rows.js';
import { ENCODER_VERSION, type TablePart } from './table.js';
import type { TableFile } from './text-file.js';

/**
 * Rows of a batch on their way into the encoder, which writes pages as batches come and holds nothing but the pages of the group at
 * hand. Groups are a whole number of batches. Fewer rows and larger groups were measured: docs/benchmarks.md.
 */
const BATCH_ROWS = 16_384;
const GROUP_ROWS = 8 * BATCH_ROWS;
/** A batch of long texts, or a group of them, ends earlier. */
const BATCH_TEXT_BYTES = 8 * 1024 * 1024;
const GROUP_BYTES = 64 * 1024 * 1024;

const COMPRESSIONS = { none: Compression.UNCOMPRESSED, snappy: Compression.SNAPPY, gzip: Compression.GZIP, zstd: Compression.ZSTD };

/**
 * A Parquet file, one row group after another. COPY's binary fields go straight into Arrow's buffers, those into parquet-wasm as IPC,
 * and its pages come out. The file ends with the group that brings it nearest to `fileBytes`.
 *
 * What the encoder runs into, it keeps to itself: it would end the file as if nothing were missing. So faults of the rows are kept
 * here and thrown instead, and the footer's row count is compared.
 */
export class ParquetFile implements TableFile {
  rows = 0;
  private readonly builders: ColumnBuilder[];
  private readonly schema: Schema;
  private fault: { error: unknown } | undefined;
  private bytes = 0;
  private groupBytes = 0;
  private isReading = false;
  private wake = (): void => {};

  constructor(private readonly part: TablePart, private readonly source: Rows, precisionOf: (column: string) => Precision) {
    this.builders = part.columns.map((column) => builderOf(column, BATCH_ROWS, precisionOf(column.name)));
    this.schema = new Schema(part.columns.map(({ name, nullable }, index) => new Field(name, this.builders[index]!.type, nullable)));
  }

  get sums(): DecimalSum[] {
    return this.builders.flatMap((builder) => (builder instanceof DecimalBuilder ? [builder.sum] : []));
  }

  async *body(): AsyncGenerator<Uint8Array> {
    let first = true;
    const pull = async (controller: ReadableStreamDefaultController<RecordBatch>): Promise<void> => {
      try {
        // The encoder wants a batch to learn the schema from, if there is no row at all.
        if (first || !(await this.isFull())) {
          const batch = await this.batch();
          if (batch.rows > 0 || first) controller.enqueue(batch.encoded());
          if (batch.rows === 0) controller.close();
        } else controller.close();
        first = false;
      } catch (error) {
        this.fault ??= { error };
        controller.close();
      }
    };
    const pages = await transformParquetStream(new ReadableStream({ pull }, { highWaterMark: 0 }), this.properties()).catch((error: unknown) => {
      // Without a first batch it does not begin.
      throw this.fault ? this.fault.error : error;
    });
    const reader = (pages as ReadableStream<Uint8Array>).getReader();
    let last: Buffer = Buffer.alloc(0);
    try {
      for (;;) {
        const piece = await this.read(reader);
        if (this.fault) throw this.fault.error;
        if (!piece) break;
        if (last.length > 0) yield last;
        last = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      }
      const footer = footerLength(last);
      yield last.subarray(0, last.length - footer);
      yield withMetadata(last.subarray(last.length - footer), this.metadata(), this.rows);
    } finally {
      this.fault ??= { error: new Error('nobody reads on') };
      // The encoder lets go of its memory when it has come to its end.
      while (await this.read(reader));
    }
  }

  private async read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
    this.isReading = true;
    this.wake();
    const { value } = await reader.read();
    this.isReading = false;
    if (value) {
      this.bytes += value.length;
      this.groupBytes = value.length;
    }
    return value;
  }

  /** Whether the file is nearer to its size now than it would be with another group like the last. Known only when all that was encoded has come out: else it would be a matter of chance. */
  private async isFull(): Promise<boolean> {
    if (this.fault) return true;
    do {
      if (!this.isReading) await new Promise<void>((wake) => (this.wake = wake));
      await nextTurn();
    } while (!this.isReading);
    return this.bytes + this.groupBytes / 2 > this.part.fileBytes;
  }

  /** Takes up to a batch of rows. */
  private async batch(): Promise<{ rows: number; encoded: () => RecordBatch }> {
    const { builders, source } = this;
    for (const builder of builders) builder.clear();
    let rows = 0;
    while (rows < BATCH_ROWS && builders.every(({ textBytes }) => textBytes < BATCH_TEXT_BYTES) && (await source.more())) rows += this.fill(BATCH_ROWS - rows);
    this.rows += rows;
    return { rows, encoded: () => this.encoded(rows) };
  }

  private fill(limit: number): number {
    const { builders, source } = this;
    const { bytes, ends } = source;
    let rows = 0;
    let textBytes = 0;
    let at = source.startOf(source.next);
    while (rows < limit && source.next < ends.length && textBytes < BATCH_TEXT_BYTES) {
      const end = ends[source.next++]!;
      textBytes += end - at;
      // The count of the fields: that of the columns.
      at += 2;
      for (const builder of builders) {
        const length = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
        at += 4;
        if (length < 0) builder.appendNull();
        else {
          builder.append(bytes, at, length);
          at += length;
        }
      }
      rows++;
    }
    return rows;
  }

  private encoded(rows: number): RecordBatch {
    const batch = new ArrowBatch(this.schema, makeData({ type: new Struct(this.schema.fields), length: rows, nullCount: 0, children: this.builders.map((builder) => builder.data()) }));
    const table = Table.fromIPCStream(RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true));
    const encoded = table.recordBatch(0)!;
    table.free();
    return encoded;
  }

  private properties(): WriterProperties {
    const { columns, format } = this.part;
    const start = new WriterPropertiesBuilder()
      .setCompression(COMPRESSIONS[format.compression])
      .setStatisticsEnabled(EnabledStatistics.Page)
      .setMaxRowGroupSize(GROUP_ROWS)
      .setMaxRowGroupBytes(GROUP_BYTES)
      .setCreatedBy(`lakehook version ${ENCODER_VERSION}.0.0`)
      .setDictionaryEnabled(false);
    return columns.reduce((builder, { name, dictionary, type }) => (dictionary || type === 'date' ? builder.setColumnDictionaryEnabled(name, true) : builder), start).build();
  }

  private metadata(): [string, string][] {
    for (const builder of this.builders) builder.clear();
    return [...Object.entries(this.part.metadata), ['row_count', String(this.rows)], ...this.sums.map((sum): [string, string] => [`sum(${sum.column})`, String(sum)])];
  }
}
