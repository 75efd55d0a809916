import { ConfigError } from '../config/config.js';
import type { Database } from '../db/database.js';
import type { Log } from '../observe/log.js';
import { lockCanaries } from './canary.sql.js';
import type { Sealer } from './sealer.js';

const placeOf = (keyId: string): string => `sealing_canaries.sealed:${keyId}`;

/**
 * Refuses to start with a sealing key that belongs to another database: what this process sealed could not be opened by the
 * others, nor what they sealed by it. Every key that has sealed here has left a canary; opening one of them is enough, so that
 * processes may restart in any order while a key is rotated. The key that seals now leaves its own.
 */
export async function checkSealingKey(db: Database, sealer: Sealer, log: Log): Promise<void> {
  await db.transaction(async (tx) => {
    // Of two that begin on an empty database with different keys, the second must see the first.
    await lockCanaries(tx);
    const canaries = await tx.sealingCanary.findMany({ orderBy: { createdAt: 'asc' } });
    const lost = canaries.filter(({ keyId, sealed }) => !opens(sealer, sealed, keyId)).map(({ keyId, createdAt }) => `${keyId} (in use since ${createdAt.toISOString()})`);
    if (canaries.length > 0 && lost.length === canaries.length) {
      throw new ConfigError([`SEALING_KEY (or DATA_DIR/sealing.key, where it is unset) opens nothing in this database. Its secrets were sealed with key ${lost.join(', ')}; this process has ${sealer.currentId}. Set the key that the other processes use; to rotate it, put the new one in front: SEALING_KEY=<new>,<old>`]);
    }
    if (lost.length > 0) log.warn({ lost }, 'SEALING_KEY lacks keys that have sealed in this database; what they sealed cannot be opened');
    if (!canaries.some(({ keyId }) => keyId === sealer.currentId)) {
      await tx.sealingCanary.create({ data: { keyId: sealer.currentId, sealed: sealer.seal('canary', placeOf(sealer.currentId)) } });
    }
  });
}

function opens(sealer: Sealer, sealed: string, keyId: string): boolean {
  try {
    return sealer.open(sealed, placeOf(keyId)) === 'canary';
  } catch {
    return false;
  }
}
