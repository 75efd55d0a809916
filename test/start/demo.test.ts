import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const dataDir = mkdtempSync(join(tmpdir(), 'lakehook-demo-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const demo = (env: Record<string, string> = {}) =>
  spawnSync(process.execPath, ['scripts/demo.mjs', '--once'], { encoding: 'utf8', env: { ...process.env, DATA_DIR: dataDir, PORT: '', ...env } });

test('the demo tells its whole story, and a second run keeps the data', () => {
  const first = demo();
  expect(first.stdout).not.toContain('✗');
  expect(first.status, first.stdout + first.stderr).toBe(0);
  for (const promise of ['acknowledged', 'duplicate: true', 'standardwebhooks', '503, 503, 200', '.parquet  4 rows', 'DuckDB adds them up to', 'right to the last digit', 'Admin key', '/docs']) expect(first.stdout).toContain(promise);
  const second = demo();
  expect(second.status, second.stdout + second.stderr).toBe(0);
  expect(second.stderr).not.toContain('creating the embedded database');
}, 120_000);

test('a demo whose story does not happen says so and fails', () => {
  // Without the exception for loopback the webhook cannot be registered.
  const { status, stdout } = demo({ OUTBOUND_ALLOW_PRIVATE: '10.0.0.0/8' });
  expect(stdout).toContain('Did not happen');
  expect(status).toBe(1);
}, 60_000);
