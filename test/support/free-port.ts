import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * A port that stays free until somebody listens on it on purpose, also between a server's death and its next start: below those that systems
 * give to outgoing connections and to `listen(0)`.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000);
    const probe = createServer();
    if (await new Promise<boolean>((done) => probe.once('error', () => done(false)).listen(port, '127.0.0.1', () => probe.close(() => done(true))))) return port;
  }
}
