/**
 * Reads .cpuprofile files and says where the time went: self time by function and by package, and time with callees of our
 * own functions; the idle share left out.
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

/** Microseconds of the clock that V8 stamps samples with (Linux and macOS: the monotonic clock). */
export const profileClock = () => Number(process.hrtime.bigint() / 1000n);

/** Of one profile, per function: self time and time including what it called, in ms. `window`: only samples in between. */
export function readProfile(file, [from, to] = [0, Number.POSITIVE_INFINITY]) {
  const { nodes, samples, timeDeltas, startTime } = JSON.parse(readFileSync(file, 'utf8'));
  const byId = new Map(nodes.map((node) => [node.id, { ...node, ...describeFrame(node.callFrame) }]));
  for (const node of byId.values()) for (const child of node.children ?? []) byId.get(child).parent = node;
  const functions = new Map();
  let idle = 0;
  let at = startTime;
  samples.forEach((id, index) => {
    at += timeDeltas[index];
    if (at < from || at > to) return;
    const ms = timeDeltas[index] / 1000;
    const node = byId.get(id);
    if (node.callFrame.functionName === '(idle)') {
      idle += ms;
      return;
    }
    const seen = new Set();
    for (let frame = node; frame; frame = frame.parent) {
      const entry = functions.get(frame.key) ?? { self: 0, total: 0, packageName: frame.packageName };
      if (frame === node) entry.self += ms;
      // A function that calls itself counts once.
      if (!seen.has(frame.key)) entry.total += ms;
      seen.add(frame.key);
      functions.set(frame.key, entry);
    }
  });
  return { functions, idle };
}

function describeFrame({ functionName, url, lineNumber }) {
  const name = shortName(url);
  return { key: `${functionName || '(anonymous)'} | ${name}${url ? `:${lineNumber + 1}` : ''}`, packageName: packageOf(name) };
}

/** The report of every profile in a folder (or of one file), as markdown. */
export function describeProfiles(path, window) {
  const files = statSync(path).isDirectory() ? readdirSync(path).filter((name) => name.endsWith('.cpuprofile')).map((name) => join(path, name)) : [path];
  return files.map((file) => {
    const { functions, idle } = readProfile(file, window);
    const busy = [...functions.values()].reduce((sum, { self }) => sum + self, 0);
    const packages = new Map();
    for (const { self, packageName } of functions.values()) packages.set(packageName, (packages.get(packageName) ?? 0) + self);
    const largest = (entries) => entries.sort((a, b) => b[1] - a[1]).slice(0, TOP).map(([name, ms]) => `| ${((100 * ms) / busy).toFixed(1)} % | ${Math.round(ms)} | ${name} |`);
    return [
      `Profile ${file}${window ? ', without start and stop' : ''}: busy ${(busy / 1000).toFixed(1)} s, idle ${(idle / 1000).toFixed(1)} s`,
      '', '| self | ms | function | where |', '|--:|--:|---|---|', ...largest([...functions].map(([key, { self }]) => [key, self])),
      '', '| self | ms | package |', '|--:|--:|---|', ...largest([...packages]),
      '', '| with callees | ms | function of ours | where |', '|--:|--:|---|---|', ...largest([...functions].filter(([, { packageName }]) => packageName.startsWith('dist/')).map(([key, { total }]) => [key, total])), '',
    ].join('\n');
  }).join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(describeProfiles(process.argv[2] ?? '.'));
