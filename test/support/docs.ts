import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A code block of docs/webhooks.md: the first of that language at or after a text. */
export function snippetOf(language: string, after: string): string {
  const page = readFileSync(fileURLToPath(new URL('../../docs/webhooks.md', import.meta.url)), 'utf8');
  const at = page.indexOf(after);
  const block = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\n\`\`\``).exec(page.slice(at));
  if (at < 0 || !block) throw new Error(`docs/webhooks.md has no ${language} block after: ${after}`);
  return block[1]!;
}

/** What the first request of a block sends, as the shell would hand it to curl. */
export function requestOf(snippet: string): { method: string; path: string; body: object } {
  const [, method = 'POST', path] = /curl (?:-X (\w+) )?localhost:8080(\S+)/.exec(snippet)!;
  return { method, path: path!, body: JSON.parse(/-d '([^']*)'/.exec(snippet)![1]!) as object };
}
