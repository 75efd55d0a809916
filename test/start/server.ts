import { spawn } from 'node:child_process';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';

/** A server process on its embedded database, as `npm start` runs it. */
export interface Server {
  url: string;
  output(): string;
  /** Sends a signal and answers the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts `node dist/main.js` on a free port and waits until it is ready. */
export async function startServer(dataDir: string, env: Record<string, string> = {}, account: { uid?: number; gid?: number } = {}): Promise<Server> {
  const port = await freePort();
  const child = spawn(process.execPath, [`${process.cwd()}/dist/main.js`], {
    ...account, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'warn', ...env },
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${port}`;
  await eventually(`the server to be ready; it said: ${output}`, () => {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${output}`);
    return fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
  }, 60_000);
  return {
    url,
    output: () => output,
    end(signal) {
      child.kill(signal);
      return exited;
    },
  };
}
