/**
 * Processes of the bench that are told what to do: receiver, load generator and floors each run on their own, so that one
 * never waits for another's event loop. A call is one message there and one back.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The parent's side. */
export class Helper {
  #child;
  #calls = new Map();
  #next = 1;

  /** @param {string} file module of this folder that calls {@link serveHelper} */
  constructor(file) {
    this.name = file;
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ id, result, error }) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(new Error(`${file}: ${error}`));
      else call?.resolve(result);
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#calls.values()) reject(new Error(`${file} ended with ${code}`));
      this.#calls.clear();
    });
  }

  get pid() {
    return this.#child.pid;
  }

  call(command, ...args) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#child.send({ id, command, args }, (error) => error && reject(error));
    });
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    // A helper ends when nobody talks to it any more; that also holds when we are killed.
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(timer);
  }
}

/** The child's side: answers calls until the parent is gone. */
export function serveHelper(commands) {
  // Ctrl-C reaches the whole group; the parent decides when we end.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ id, command, args }) => {
    try {
      process.send({ id, result: await commands[command](...args) });
    } catch (error) {
      process.send({ id, error: error.stack });
    }
  });
}
