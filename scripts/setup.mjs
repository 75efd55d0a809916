/**
 * What every command of the README does first, in plain JavaScript that Node 20 runs: install, generate, build, each only
 * when its inputs have changed. `node scripts/setup.mjs` alone does all three.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Node that runs the product: 24, which the npm package `node` brings along, whatever started this script. */
export function nodeBinary() {
  const bundled = join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return existsSync(bundled) ? bundled : process.execPath;
}

/** Installs, generates and builds what is missing or out of date. */
export async function setUp() {
  await whenChanged('installing packages', ['package-lock.json'], 'node_modules/.lakehook', () => run(npm(), ['ci', '--no-audit', '--no-fund', '--loglevel=error']));
  await whenChanged('generating the database client', ['prisma'], 'src/platform/db/generated/.lakehook', generateClient);
  await whenChanged('building', ['src', 'prisma', 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'], 'dist/.lakehook', () => run(nodeBinary(), ['node_modules/@nestjs/cli/bin/nest.js', 'build']));
}

function generateClient() {
  // Generating needs no schema engine, but the CLI would download one unless it is told where one stands.
  return run(nodeBinary(), ['node_modules/prisma/build/index.js', 'generate'], { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' });
}

/** Runs a step unless the stamp file says that it has run on these very inputs. */
async function whenChanged(name, inputs, stamp, step) {
  const wanted = fingerprint(inputs);
  const stampFile = join(root, stamp);
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return;
  rmSync(stampFile, { force: true });
  await progress(name, step);
  writeFileSync(stampFile, wanted);
}

/** Says on stderr that a slow step runs, and how long it took. */
export async function progress(name, step) {
  const started = Date.now();
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  process.stderr.write(`lakehook: ${name} …\n`);
  const ticker = process.stderr.isTTY ? setInterval(() => process.stderr.write(`\x1b[1A\x1b[2Klakehook: ${name} … ${seconds()}\n`), 1000) : undefined;
  try {
    const result = await step();
    process.stderr.write(`lakehook: ${name}: done in ${seconds()}\n`);
    return result;
  } finally {
    clearInterval(ticker);
  }
}

/** Runs a program in the repository's folder; its output is shown only when it fails. */
export function run(program, args, env = {}) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', fail);
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output}`))));
  });
}

/** Replaces this script by another program as far as the terminal can tell: same input and output, same signals, same exit. */
export function handOver(program, args, env = {}) {
  const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' });
  // A terminal sends Ctrl-C to the whole group, so the child has it already; a supervisor's SIGTERM comes to us alone.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    console.error(error);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}

function npm() {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm';
}

function fingerprint(inputs) {
  const hash = createHash('sha256').update(process.platform + process.arch);
  const visit = (path) => {
    if (path.endsWith('generated') || !existsSync(path)) return;
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else hash.update(path.slice(root.length)).update(readFileSync(path));
  };
  for (const input of inputs) visit(join(root, input));
  return hash.digest('hex');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  setUp().catch((error) => {
    process.stderr.write(`lakehook: ${error.message}\n`);
    process.exit(1);
  });
}
