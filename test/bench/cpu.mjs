/**
 * CPU time of processes as Linux counts it, in 10 ms ticks. On a shared machine rates swing with the neighbours; CPU per
 * event hardly does. Elsewhere than on Linux everything reads NaN.
 */
import { readdirSync, readFileSync } from 'node:fs';

const MS_PER_TICK = 10;

/** Fields of /proc/<pid>/stat from the third on; the second, the name, may hold spaces. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Milliseconds of CPU that a process has used. */
export function cpuMs(pid) {
  const stat = statOf(pid);
  return stat ? (Number(stat[11]) + Number(stat[12])) * MS_PER_TICK : Number.NaN;
}

export function parentOf(pid) {
  return Number(statOf(pid)?.[1]);
}

/** Milliseconds of CPU of a process, its children, and those of its children that have ended. */
export function familyCpuMs(pid) {
  const own = statOf(pid);
  if (!own) return Number.NaN;
  let ticks = Number(own[11]) + Number(own[12]) + Number(own[13]) + Number(own[14]);
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(name);
    if (stat && Number(stat[1]) === pid) ticks += Number(stat[11]) + Number(stat[12]);
  }
  return ticks * MS_PER_TICK;
}
