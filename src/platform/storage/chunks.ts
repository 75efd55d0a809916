import { Readable } from 'node:stream';

/**
 * A body in buffers of the sizes asked for, of which the last may be shorter; memory for one at a time. Ends with the signal's
 * reason when that aborts, even while the body is silent.
 */
export async function* inChunks(body: AsyncIterable<Uint8Array>, bytesOf: (index: number) => number, signal?: AbortSignal): AsyncGenerator<Buffer> {
  let index = 0;
  let chunk: Buffer | undefined;
  let filled = 0;
  for await (let piece of signal ? untilAborted(body, signal) : body) {
    while (piece.length > 0) {
      // A buffer of its own each time: who got the last one may still be sending it.
      chunk ??= Buffer.allocUnsafeSlow(bytesOf(index));
      const taken = Math.min(piece.length, chunk.length - filled);
      chunk.set(piece.subarray(0, taken), filled);
      filled += taken;
      piece = piece.subarray(taken);
      if (filled < chunk.length) continue;
      yield chunk;
      index++;
      chunk = undefined;
      filled = 0;
    }
  }
  if (chunk) yield chunk.subarray(0, filled);
}

async function* untilAborted(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await nextOf(pieces, signal);
      if (done) return;
      yield value;
    }
  } finally {
    // Not waited for: what is silent may never end. Its own failure is no news any more.
    pieces.return?.()?.catch(() => {});
  }
}

function nextOf(pieces: AsyncIterator<Uint8Array>, signal: AbortSignal): Promise<IteratorResult<Uint8Array>> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    pieces.next().then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** A body whose failure is the fault that `asFault` makes of it. Destroyed, it destroys what it reads from, also before its first byte. */
export function faulting(body: Readable, asFault: (error: unknown) => Error): Readable {
  const outer = Readable.from(readFaulting(body, asFault), { objectMode: false });
  // It may fail while nobody reads, and then the reader hears of it.
  body.on('error', () => {});
  return outer.once('close', () => body.destroy());
}

async function* readFaulting(body: Readable, asFault: (error: unknown) => Error): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw asFault(error);
  }
}

/** All of a body. Undefined of one that goes on beyond `max` bytes, which is not read further: it may come from somebody else's server, and never end. */
export async function wholeOf(body: AsyncIterable<Uint8Array>, max: number): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > max) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
