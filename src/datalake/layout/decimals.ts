/** The exact sum of decimals as Postgres writes them, with as many digits behind the point as the longest of them has. */
export function addDecimals(values: readonly string[]): string {
  const scale = Math.max(0, ...values.map((value) => value.length - 1 - (value.includes('.') ? value.indexOf('.') : value.length - 1)));
  let sum = 0n;
  for (const value of values) {
    const [whole, fraction = ''] = value.split('.');
    sum += BigInt(whole + fraction.padEnd(scale, '0'));
  }
  const digits = (sum < 0n ? -sum : sum).toString().padStart(scale + 1, '0');
  return `${sum < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
}
