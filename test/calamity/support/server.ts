import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../support/eventually.js';
import { ADMIN_KEY, SEALING_KEY } from '../../support/house.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** The product as it ships, in a process of its own. */
export interface Server {
  url: string;
  pid: number;
  /** When it said that it was ready. */
  readyAt: number;
  /** When it was gone. */
  exitedAt?: number;
  /** Stopped by a signal, it answers nobody until it is told to go on. */
  isStopped: boolean;
  /** All that it has written so far. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  /** `kill -9`. Resolves when the process is gone. */
  kill(): Promise<void>;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts `node dist/main.js` and waits until it is ready. */
export async function startServer(env: Record<string, string>): Promise<Server> {
  if (!existsSync(`${ROOT}/dist/main.js`)) throw new Error('dist/main.js is missing: run `node scripts/setup.mjs` first');
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOST: '127.0.0.1', LOG_LEVEL: 'warn', LAKEHOOK_ADMIN_KEY: ADMIN_KEY, SEALING_KEY, OUTBOUND_ALLOW_PRIVATE: 'true', DATABASE_POOL_SIZE: '6', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => child.on('exit', (code, signal) => done({ code, signal })));
  const server: Server = {
    url: `http://127.0.0.1:${env.PORT}`, pid: child.pid!, readyAt: 0, isStopped: false, output: () => output, exited,
    signal(signal) {
      child.kill(signal);
      this.isStopped = signal === 'SIGSTOP';
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
  void exited.then(() => {
    server.exitedAt = Date.now();
    running.delete(child);
  });
  try {
    await eventually('the server to be ready', () => {
      if (server.exitedAt) throw new Error('the server ended while starting');
      return output.includes('lakehook: ready at');
    }, 60_000);
  } catch (error) {
    await server.kill();
    throw new Error(`${(error as Error).message}\n${output}`, { cause: error });
  }
  server.readyAt = Date.now();
  return server;
}
