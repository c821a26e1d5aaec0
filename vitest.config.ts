import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';
import { startBuilt } from './test/support/start-built.ts';

// Real processes take seconds on a loaded machine: the limits are failure bounds, never the thing measured.
export default defineConfig({
  plugins: [startBuilt],
  test: {
    testTimeout: 300_000,
    hookTimeout: 300_000,
    retry: 0,
    pool: 'forks',
    // Much of a test's time is the wait for real programs: more files at once than processors.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    sequence: { sequencer: LongestFirst },
    globalSetup: 'test/support/built.ts',
    projects: [
      { extends: true, test: { name: 'programs', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        // No module of the sources keeps anything that changes: a process for each of these files would cost as much as the tests.
        test: { name: 'sources', include: ['src/**/*.test.ts', 'ui/**/*.test.ts'], isolate: false },
      },
    ],
  },
});
