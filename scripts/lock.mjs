/**
 * Rewrites package-lock.json from package.json, complete for every platform and without download hosts. npm's own option for
 * the latter drops the optional packages of other platforms, so the hosts are taken out here.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './setup.mjs';

const path = join(root, 'package-lock.json');
rmSync(path, { force: true });
await run('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund']);
const lock = JSON.parse(readFileSync(path, 'utf8'));
for (const entry of Object.values(lock.packages)) delete entry.resolved;
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
