import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * Seals secrets for storage with AES-256-GCM.
 *
 * The text form is `v1.<key id>.<base64url of nonce ‖ ciphertext ‖ tag>`; the key id is the first 8 hex digits of the
 * key's SHA-256, so that several keys can be told apart during a rotation. `place` (table, column and row) is
 * authenticated with it: a sealed value moved to another row does not open.
 */
export class Sealer {
  private readonly keys = new Map<string, Buffer>();
  /** The id of the key that seals. */
  readonly currentId: string;

  /** `keys`: 32 bytes each; the first seals, all open. */
  constructor(keys: Buffer[]) {
    for (const key of keys) {
      if (key.length !== 32) throw new Error(`SEALING_KEY must hold 32 bytes in base64, this one holds ${key.length}`);
      this.keys.set(keyId(key), key);
    }
    this.currentId = keyId(keys[0]!);
  }

  seal(plain: string, place: string): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.keys.get(this.currentId)!, nonce, { authTagLength: 16 });
    cipher.setAAD(Buffer.from(place));
    const sealed = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `v1.${this.currentId}.${sealed.toString('base64url')}`;
  }

  /** Throws when the value was changed, belongs to another place, or its key is no longer configured. */
  open(sealed: string, place: string): string {
    const [version, id, body] = sealed.split('.');
    const key = this.keys.get(id ?? '');
    if (version !== 'v1' || !key || !body) throw new Error(`A stored secret was sealed with key ${id}, which SEALING_KEY does not hold`);
    const bytes = Buffer.from(body, 'base64url');
    if (bytes.length < 28) throw new Error('A sealed value is too short');
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(place));
    decipher.setAuthTag(bytes.subarray(bytes.length - 16));
    return Buffer.concat([decipher.update(bytes.subarray(12, bytes.length - 16)), decipher.final()]).toString('utf8');
  }
}

function keyId(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8);
}
