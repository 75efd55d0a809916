/**
 * Milliseconds of CPU that this thread has used, for bounds on what pure code costs: unlike wall time they do not grow when others keep the
 * machine busy. Bounds leave room for one that is several times as slow.
 */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
