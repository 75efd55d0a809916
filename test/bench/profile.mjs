/**
 * Reads .cpuprofile files and says where the time went: self time by function and by package, without the idle share.
 * Also a program of its own: `node test/bench/profile.mjs <file or folder>`.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TOP = 25;

/** Where a script belongs, short: `pg/lib/client.js`, `dist/events/events.js`, `node:net`. */
function shortName(url) {
  const path = url.replace(/^file:\/\//, '');
  const inModules = path.lastIndexOf('/node_modules/');
  if (inModules >= 0) return path.slice(inModules + '/node_modules/'.length);
  const inDist = path.lastIndexOf('/dist/');
  return inDist >= 0 ? path.slice(inDist + 1) : path;
}

function packageOf(name) {
  if (name === '') return '(engine)';
  if (name.startsWith('node:')) return name.split('/')[0] === 'node:internal' ? name.split('/').slice(0, 2).join('/') : name;
  const parts = name.split('/');
  return parts.slice(0, name.startsWith('@') || parts[0] === 'dist' ? 2 : 1).join('/');
}

/** Self time in ms per function of one profile. */
export function readProfile(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const functions = new Map();
  let idle = 0;
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = byId.get(id).callFrame;
    const ms = timeDeltas[index] / 1000;
    if (functionName === '(idle)') {
      idle += ms;
      return;
    }
    const name = shortName(url);
    const key = `${functionName || '(anonymous)'}\t${name}${url ? `:${lineNumber + 1}` : ''}`;
    const entry = functions.get(key) ?? { ms: 0, packageName: packageOf(name) };
    entry.ms += ms;
    functions.set(key, entry);
  });
  return { functions, idle };
}

/** The report of every profile in a folder (or of one file), as markdown. */
export function describeProfiles(path) {
  const files = statSync(path).isDirectory() ? readdirSync(path).filter((name) => name.endsWith('.cpuprofile')).map((name) => join(path, name)) : [path];
  return files.map((file) => {
    const { functions, idle } = readProfile(file);
    const busy = [...functions.values()].reduce((sum, { ms }) => sum + ms, 0);
    const packages = new Map();
    for (const { ms, packageName } of functions.values()) packages.set(packageName, (packages.get(packageName) ?? 0) + ms);
    const line = ([name, ms]) => `| ${((100 * ms) / busy).toFixed(1)} % | ${Math.round(ms)} | ${name.replace('\t', ' | ')} |`;
    const largest = (entries) => entries.sort((a, b) => b[1] - a[1]).slice(0, TOP).map(line);
    return [
      `Profile ${file}: busy ${(busy / 1000).toFixed(1)} s, idle ${(idle / 1000).toFixed(1)} s`,
      '', '| self | ms | function | where |', '|--:|--:|---|---|', ...largest([...functions].map(([name, { ms }]) => [name, ms])),
      '', '| self | ms | package |', '|--:|--:|---|', ...largest([...packages]), '',
    ].join('\n');
  }).join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(describeProfiles(process.argv[2] ?? '.'));
