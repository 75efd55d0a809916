import type { FastifyReply } from 'fastify';

const MEDIA_TYPE = /^[\w.+-]+\/[\w.+-]+\s*(;[\x20-\x7e]*)?$/;

/**
 * Heads an answer that is somebody else's bytes: a file to save under `name`, never a page of ours, whatever its type. Answers
 * the bytes to send.
 */
export function attachment(reply: FastifyReply, bytes: Uint8Array, contentType: string | null, name: string): Buffer {
  void reply.header('content-type', contentType && MEDIA_TYPE.test(contentType) ? contentType : 'application/octet-stream')
    .header('content-disposition', `attachment; filename="${name}"`)
    .header('content-security-policy', 'sandbox');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
