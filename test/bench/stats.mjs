/** Arithmetic over measurements: percentiles of latencies, medians over rounds. Pure. */

/**
 * Nearest-rank percentiles of latencies in milliseconds.
 * @param {number[]} latencies any order; not changed
 */
export function summarise(latencies) {
  const sorted = Float64Array.from(latencies).sort();
  const at = (share) => (sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]);
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/**
 * The p99 of each slice of time, so that a burst of late ones can be dated.
 * @param {{at: number, latency: number}[]} samples `at`: when it was scheduled, epoch milliseconds
 */
export function p99BySlice(samples, sliceMs) {
  const start = Math.min(...samples.slice(0, 1000).map(({ at }) => at));
  const slices = [];
  for (const { at, latency } of samples) (slices[Math.max(0, Math.floor((at - start) / sliceMs))] ??= []).push(latency);
  return Array.from(slices, (latencies = []) => Math.round(summarise(latencies).p99));
}

/**
 * The middle value; of an even number of values, the mean of the middle two. Unlike a mean it forgives one disturbed round.
 * @param {number[]} values
 */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The slope of the line through points that misses them least, by squares.
 * @param {[x: number, y: number][]} points
 */
export function slopeOf(points) {
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const sum = (term) => points.reduce((total, [x, y]) => total + (x - meanX) * term(x, y), 0);
  return sum((_, y) => y - meanY) / sum((x) => x - meanX);
}

/** Three significant digits, thousands separated: a bench does not know more than that. */
export function show(value, unit = '') {
  if (value === undefined || Number.isNaN(value)) return '–';
  const text = value >= 100 ? Math.round(value).toLocaleString('en-US') : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  return unit ? `${text} ${unit}` : text;
}
