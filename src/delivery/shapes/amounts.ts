const CENTS = 2;
const formats = new Map<string, Intl.NumberFormat>();

/** `$1,389.27`, `¥1,389`, `1,389.27` without a known currency. An amount below a cent keeps two digits that matter, so that it does not read as nothing. */
export function formatMoney(amount: number, currency?: string): string {
  const known = currency !== undefined && /^[A-Z]{3}$/.test(currency) ? currency : '';
  const tiny = amount !== 0 && Math.abs(amount) < 0.01;
  return format(`${known}${tiny ? '~' : ''}`, () => ({
    ...(known ? { style: 'currency', currency: known } : { minimumFractionDigits: CENTS, maximumFractionDigits: CENTS }),
    ...(tiny && { minimumSignificantDigits: 1, maximumSignificantDigits: 2 }),
  }), amount);
}

/** `1,250,000`, with at most three decimals. */
export function formatCount(count: number): string {
  return format('#', () => ({ maximumFractionDigits: 3 }), count);
}

/** `236.8%` of 236.8. */
export function formatPercent(percent: number): string {
  return `${format('%', () => ({ maximumFractionDigits: 1 }), percent)}%`;
}

/** `4.2 GB`, decimal as object stores bill. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, Math.abs(bytes))) / 3));
  return `${format('%', () => ({ maximumFractionDigits: 1 }), bytes / 1000 ** power)} ${units[power]}`;
}

/** Making a format costs a hundred times using it. Currencies are whatever publishers write, so not without bound. */
function format(key: string, options: () => Intl.NumberFormatOptions, value: number): string {
  let known = formats.get(key);
  if (!known) {
    if (formats.size > 200) formats.clear();
    known = new Intl.NumberFormat('en-US', options());
    formats.set(key, known);
  }
  return known.format(value);
}
