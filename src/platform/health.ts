import { Injectable } from '@nestjs/common';

/** Throws when the process is not ready; may answer how it is. */
type Check = () => Promise<string | void> | string | void;

/** Whether this process should get traffic: each part that can stand in the way adds a check that throws. */
@Injectable()
export class Health {
  private readonly checks = new Map<string, Check>();
  private readonly excuses = new Map<string, () => string | undefined>();
  /** The process is on its way out: it takes no more work. */
  draining = false;

  add(name: string, check: Check): void {
    this.checks.set(name, check);
  }

  /** While `excuse` answers a text, a failing check of these names keeps no traffic away. */
  excuse(names: string[], excuse: () => string | undefined): void {
    for (const name of names) this.excuses.set(name, excuse);
  }

  /** Runs every check, each for at most 2 s. */
  async report(): Promise<{ ready: boolean; checks: Record<string, string> }> {
    const checks: Record<string, string> = {};
    for (const [name, check] of this.checks) {
      const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('no answer within 2 s')), 2_000).unref());
      checks[name] = await Promise.race([Promise.resolve().then(check), late]).then((state) => state ?? 'ok', (error: Error) => {
        const excuse = this.excuses.get(name)?.();
        return `${excuse === undefined ? 'failing' : `excused, ${excuse}`}: ${error.message.split('\n').at(-1)}`;
      });
    }
    if (this.draining) checks.process = 'failing: shutting down';
    return { ready: Object.values(checks).every((state) => !state.startsWith('failing')), checks };
  }
}
