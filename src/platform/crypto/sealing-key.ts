import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config.js';
import { Sealer } from './sealer.js';

/** The sealer of this installation: from `SEALING_KEY`, else from `DATA_DIR/sealing.key`, made on the first start. */
export function openSealer(config: Config): Sealer {
  const text = config.SEALING_KEY ?? readOrMake(resolve(config.DATA_DIR));
  return new Sealer(text.split(',').map((key) => Buffer.from(key.trim(), 'base64')));
}

function readOrMake(dataDir: string): string {
  const path = join(dataDir, 'sealing.key');
  mkdirSync(dataDir, { recursive: true });
  // Written beside its place and linked there: of processes that start at once one makes the key, and none reads half of it.
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(path, 'utf8').trim();
}
