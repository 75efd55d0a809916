/**
 * Brings package-lock.json up to package.json, complete for every platform and without download hosts. npm's own option for
 * the latter drops the optional packages of other platforms, so the hosts are taken out here. It runs in an empty folder: beside
 * installed packages npm would copy what it finds there, without the sums.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './setup.mjs';

const FILES = ['package.json', 'package-lock.json'];
const folder = mkdtempSync(join(tmpdir(), 'lakehook-lock-'));
for (const file of FILES) copyFileSync(join(root, file), join(folder, file));
await run('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund', '--prefix', folder]);
const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
for (const entry of Object.values(lock.packages)) delete entry.resolved;
writeFileSync(join(root, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
rmSync(folder, { recursive: true });
