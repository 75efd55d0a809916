import type { FastifyReply } from 'fastify';

const MEDIA_TYPE = /^[\w.+-]+\/[\w.+-]+\s*(;[\x20-\x7e]*)?$/;

/**
 * Heads an answer that is somebody else's bytes: a file to save under `name`, never a page of ours, whatever its type. Answers
 * the bytes to send.
 */
export function attachment(reply: FastifyReply, bytes: Uint8Array, contentType: string | null, name: string): Buffer {
  void reply.header('content-type', contentType && MEDIA_TYPE.test(contentType) ? contentType : 'application/octet-stream')
    .header('content-disposition', dispositionOf(name))
    .header('content-security-policy', 'sandbox');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A `Content-Disposition` that saves under a name whatever is in it (RFC 6266): a plain form for old clients, the exact one where they differ. */
export function dispositionOf(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const exact = plain === name ? '' : `; filename*=UTF-8''${encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)}`;
  return `attachment; filename="${plain}"${exact}`;
}
