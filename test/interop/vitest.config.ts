import { defineConfig, mergeConfig } from 'vitest/config';
import shared from '../../vitest.config.ts';

const { globalSetup: _, projects: __, ...test } = shared.test ?? {};

export default defineConfig(
  mergeConfig({ test }, { test: { include: ['test/interop/*.interop.ts'], hookTimeout: 180_000 } }),
);
