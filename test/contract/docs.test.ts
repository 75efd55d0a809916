import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('openapi.json, errors.md and configuration.md say what the code says', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/docs.mjs', '--check'], { encoding: 'utf8' });
  expect(stdout + stderr).toBe('');
  expect(status).toBe(0);
});
