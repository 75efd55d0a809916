import { crc32 } from 'node:zlib';

/** Before each payload: the segment's mark, the length and the checksum, four bytes each. */
export const FRAME_BYTES = 12;

/** A payload and where its frame stands in its segment. */
export interface Frame {
  start: number;
  end: number;
  payload: Buffer;
}

/** Bytes of a segment that belong to no readable frame. */
export interface Damage {
  start: number;
  end: number;
}

/**
 * Payloads as a segment holds them. Mark and checksum follow from the segment's random id, so that nothing inside a payload,
 * whoever wrote it, is ever taken for a frame when a reader has to find its way again.
 */
export function writeFrames(segmentId: string, payloads: Buffer[]): Buffer {
  const { mark, seed } = markOf(segmentId);
  return Buffer.concat(payloads.flatMap((payload) => {
    const head = Buffer.allocUnsafe(FRAME_BYTES);
    mark.copy(head);
    head.writeUInt32LE(payload.length, 4);
    head.writeUInt32LE(checksum(seed, head, payload), 8);
    return [head, payload];
  }));
}

/**
 * Every whole frame of a segment, in order, and what lies between and behind them. Whatever has been cut off or changed, what
 * is answered as a frame was written as one.
 */
export function readFrames(segmentId: string, bytes: Buffer): { frames: Frame[]; damage: Damage[] } {
  const { mark, seed } = markOf(segmentId);
  const frames: Frame[] = [];
  const damage: Damage[] = [];
  let read = 0;
  for (let at = 0; at < bytes.length; ) {
    const frame = frameAt(bytes, at, mark, seed);
    if (frame) {
      if (at > read) damage.push({ start: read, end: at });
      frames.push(frame);
      read = at = frame.end;
      continue;
    }
    const next = bytes.indexOf(mark, at + 1);
    at = next < 0 ? bytes.length : next;
  }
  if (read < bytes.length) damage.push({ start: read, end: bytes.length });
  return { frames, damage };
}

function frameAt(bytes: Buffer, start: number, mark: Buffer, seed: number): Frame | undefined {
  if (bytes.length - start < FRAME_BYTES || mark.compare(bytes, start, start + 4) !== 0) return undefined;
  const end = start + FRAME_BYTES + bytes.readUInt32LE(start + 4);
  if (end > bytes.length) return undefined;
  const payload = bytes.subarray(start + FRAME_BYTES, end);
  return checksum(seed, bytes.subarray(start), payload) === bytes.readUInt32LE(start + 8) ? { start, end, payload } : undefined;
}

function checksum(seed: number, head: Buffer, payload: Buffer): number {
  return crc32(payload, crc32(head.subarray(0, 8), seed));
}

/** From the random digits of a UUID v4. */
function markOf(segmentId: string): { mark: Buffer; seed: number } {
  const id = Buffer.from(segmentId.replaceAll('-', ''), 'hex');
  return { mark: id.subarray(0, 4), seed: id.readUInt32LE(12) };
}
