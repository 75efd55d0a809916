const DAY_MS = 86_400_000;
const SERVICES = ['AmazonEC2', 'AmazonS3', 'AmazonRDS', 'AWSLambda'];

/** Costs of the last days before today, of some services each; amounts with as many digits as bills have. */
export function costRecords(days) {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  return Array.from({ length: days }, (_, ago) => new Date(today - (days - ago) * DAY_MS).toISOString().slice(0, 10)).flatMap((date, day) =>
    SERVICES.map((service_name, n) => ({
      date, provider: 'aws', billing_account_id: '111122223333', sub_account_id: '444455556666', service_name, region_id: 'eu-central-1', currency: 'USD',
      billed_cost: `${(day + 1) * (n + 3) * 17}.763678187615017991${String(n * 100 + day).padStart(3, '0')}`, quantity: 24, unit: 'Hrs', tags: { team: 'search' },
    })));
}

/** The exact sum of decimals that are texts with the same number of digits behind the point. */
export function addUp(decimals) {
  const digits = decimals[0].split('.')[1].length;
  const sum = String(decimals.reduce((total, decimal) => total + BigInt(decimal.replace('.', '')), 0n)).padStart(digits + 1, '0');
  return `${sum.slice(0, -digits)}.${sum.slice(-digits)}`;
}

/** DuckDB, or undefined where it is not installed: it is a dependency of development alone. */
export async function openDuckDb() {
  try {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create()).connect();
    return {
      run: (sql) => connection.run(sql),
      rows: async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJson(),
    };
  } catch {
    return undefined;
  }
}
