import type { Tx } from '../db/database.js';

/** Lets one process at a time look at the canaries until its transaction ends. Raw because Prisma has no table locks. Readers are not held. */
export async function lockCanaries(tx: Tx): Promise<void> {
  await tx.$executeRaw`LOCK TABLE sealing_canaries IN SHARE ROW EXCLUSIVE MODE`;
}
