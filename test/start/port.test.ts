import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { cloneDatabase, dropDatabase } from '../support/database.js';
import { SEALING_KEY } from '../support/house.js';

test('a port that is taken ends the start with one sentence that says what to do', async () => {
  const databaseUrl = await cloneDatabase(inject('postgresUrl'));
  const dataDir = mkdtempSync(join(tmpdir(), 'lakehook-port-'));
  const taker = createServer().listen(0, '127.0.0.1');
  onTestFinished(async () => {
    taker.close();
    await dropDatabase(inject('postgresUrl'), databaseUrl);
    rmSync(dataDir, { recursive: true, force: true });
  });
  await once(taker, 'listening');
  const { port } = taker.address() as AddressInfo;
  const child = spawn(process.execPath, ['dist/main.js'], { env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, DATA_DIR: dataDir, HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'warn', SEALING_KEY }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const [code] = (await once(child, 'close')) as [number];
  expect(said).toBe(`lakehook: port ${port} is taken by another program. Stop it, or set PORT to another one.\n`);
  expect(code).toBe(1);
}, 60_000);
