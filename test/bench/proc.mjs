/** What a process holds, as Linux counts it; NaN elsewhere. */
import { readdirSync, readFileSync } from 'node:fs';

/** @returns {{rss: number, files: number}} bytes of memory, and open files, sockets included */
export function holdingsOf(pid) {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return { rss: Number(kib) * 1024, files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { rss: Number.NaN, files: Number.NaN };
  }
}
