/** Settings of Postgres that a session begins with: what the code relies on, and limits, which the operator may want otherwise. */
export interface SessionSettings {
  firm: Record<string, string | number>;
  limits: Record<string, string | number>;
}

/**
 * The URL of a database with settings that each session begins with. The driver has a field for them, but the URL's own `options` would take
 * its place, all of it. Here limits come before these and firm settings behind them, and of two the later holds.
 */
export function withSettings(databaseUrl: string, { firm, limits }: SessionSettings): string {
  const url = new URL(databaseUrl);
  const given = url.searchParams.get('options');
  url.searchParams.set('options', [...optionsOf(limits), ...(given ? [given] : []), ...optionsOf(firm)].join(' '));
  return url.href;
}

function optionsOf(settings: Record<string, string | number>): string[] {
  return Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
}
