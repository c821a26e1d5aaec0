import { defineConfig } from 'vitest/config';

// Real processes take seconds on a loaded machine: the limits are failure bounds, never the thing measured.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'ui/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: 'test/support/dashboard.ts',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    retry: 0,
    pool: 'forks',
    // Most of a test's time is the wait for real programs, so one file per processor, not one fewer.
    maxWorkers: '100%',
  },
});
