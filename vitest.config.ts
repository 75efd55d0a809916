import { defineConfig } from 'vitest/config';

/** Unit tests stand beside their sources; everything else goes through HTTP on a real Postgres, in test/. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/postgres.ts'],
    setupFiles: ['test/support/reflect.ts'],
    // A deadline for a whole test; waits inside have their own and say what they waited for.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // Crashes on a machine that others share: CI tries a lost race once more, and says so.
    retry: Number(process.env.TEST_RETRIES ?? 0),
  },
});
