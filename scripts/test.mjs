/**
 * `npm test`: sets up what is missing and runs everything. `npm test -- <paths or options>` runs just those tests.
 */
import { spawnSync } from 'node:child_process';
import { nodeBinary, root, setUp } from './setup.mjs';

const CHECKS = [
  ['types', 'typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json'],
  ['lint', 'oxlint/bin/oxlint', '--deny-warnings', 'src', 'test', 'scripts'],
  ['import rules', 'dependency-cruiser/bin/dependency-cruiser.mjs', 'src', '--config', '.dependency-cruiser.cjs'],
  ['unused code', 'knip/bin/knip.js'],
];

await setUp();
const chosen = process.argv.slice(2);
if (chosen.length === 0) for (const [name, program, ...args] of CHECKS) check(name, program, args);
check('tests', 'vitest/vitest.mjs', ['run', ...chosen]);

function check(name, program, args) {
  process.stderr.write(`\nlakehook: ${name}\n`);
  const env = { ...process.env, PATH: `${root}/node_modules/.bin:${process.env.PATH}`, NODE_ENV: 'test' };
  const { status } = spawnSync(nodeBinary(), [`node_modules/${program}`, ...args], { cwd: root, stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}
