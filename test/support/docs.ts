import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pageOf = (name: string): string => readFileSync(fileURLToPath(new URL(`../../docs/${name}`, import.meta.url)), 'utf8');
const page = pageOf('webhooks.md');

/** A code block of docs/webhooks.md: the first of that language at or after a text. */
export function snippetOf(language: string, after: string): string {
  const at = page.indexOf(after);
  const block = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\n\`\`\``).exec(page.slice(at));
  if (at < 0 || !block) throw new Error(`docs/webhooks.md has no ${language} block after: ${after}`);
  return block[1]!;
}

export interface DocumentedRequest {
  method: string;
  path: string;
  body?: object;
}

/** What the first request of a block sends, as the shell would hand it to curl. */
export function requestOf(snippet: string): DocumentedRequest & { body: object } {
  return requestsOf(snippet)[0] as DocumentedRequest & { body: object };
}

/** Every request of a page that takes no other command of the shell, in order. */
export function allRequests(name = 'webhooks.md'): DocumentedRequest[] {
  return [...pageOf(name).matchAll(/```sh\n([\s\S]*?)\n```/g)].flatMap(([, block]) => requestsOf(block!));
}

function requestsOf(block: string): DocumentedRequest[] {
  return commandsOf(block).filter(([name, ...words]) => name === 'curl' && !words.some((word) => /\$[({A-Z]/.test(word.replace('$KEY', '')))).map(([, ...words]) => {
    const after = (option: string): string | undefined => words[words.indexOf(option) + 1 || words.length];
    const body = after('-d');
    const url = words.find((word) => word.startsWith('localhost:8080'))!;
    return { method: after('-X') ?? (body === undefined ? 'GET' : 'POST'), path: url.slice('localhost:8080'.length), ...(body !== undefined && { body: JSON.parse(body) as object }) };
  });
}

/** The words of each command of a shell script that has quotes, continued lines and comments, and nothing more. */
function commandsOf(script: string): string[][] {
  const commands: string[][] = [[]];
  for (const [token, comment, end] of script.matchAll(/(#.*)|(\n)|\\\n|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\[^\n]|[^\s'"\\])+/g)) {
    if (end) commands.push([]);
    else if (!comment && token !== '\\\n') commands.at(-1)!.push(token.replaceAll(/'([^']*)'|"((?:\\.|[^"\\])*)"/g, (_, single: string | undefined, double: string) => single ?? double));
  }
  return commands.filter(({ length }) => length > 0);
}
