/** Results as markdown. */

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {string} server
 * @property {string} [floor]
 * @property {number} [ratio]
 * @property {string} [aim]
 * @property {boolean} [met]
 */

const aim = (row) => (row.aim ? `${row.aim} ${row.met ? '✓' : '✗'}` : '');

/** @param {{rows: Row[], serverTitle?: string, floorTitle?: string}} result */
export function table(title, { rows, serverTitle = 'server', floorTitle = 'floor' }) {
  const lines = rows.map((row) => [row.name, row.server, row.floor ?? '', row.ratio === undefined ? '' : row.ratio.toFixed(2), aim(row)]);
  const all = [[title, serverTitle, floorTitle, 'ratio', 'aim'], ...lines];
  const widths = all[0].map((_, column) => Math.max(...all.map((line) => line[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => (column === 0 || column === 4 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 || column === 4 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return ['', line(all[0]), rule, ...lines.map(line), ''].join('\n');
}
