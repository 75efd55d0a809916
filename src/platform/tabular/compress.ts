import { createGzip, createZstdCompress } from 'node:zlib';

export interface Compressor {
  compress(chunk: Buffer): Promise<Buffer[]>;
  /** What is still to come after the last chunk. */
  finish(): Promise<Buffer[]>;
  close(): void;
}

/** Nothing is ever held back for want of a reader: what a chunk yields is taken when the chunk is done. */
const OUTPUT = { chunkSize: 256 * 1024, readableHighWaterMark: 2 ** 30 };

/**
 * One gzip member or one zstd frame, for there are readers that stop behind the first. Which pieces come out depends on nothing but
 * the chunks that went in; the bytes hold no time and no name. The work itself is done by libuv's threads.
 */
export function compressor(compression: 'none' | 'gzip' | 'zstd'): Compressor {
  if (compression === 'none') return { compress: async (chunk) => [chunk], finish: async () => [], close: () => {} };
  const stream = compression === 'gzip' ? createGzip({ ...OUTPUT, level: 6 }) : createZstdCompress(OUTPUT);
  const failed = new Promise<never>((_, reject) => stream.once('error', reject));
  failed.catch(() => {});
  return {
    async compress(chunk) {
      await Promise.race([failed, new Promise<void>((done) => stream.write(chunk, () => done()))]);
      const piece = stream.read() as Buffer | null;
      return piece ? [piece] : [];
    },
    async finish() {
      stream.end();
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece as Buffer);
      return pieces;
    },
    close: () => stream.destroy(),
  };
}
