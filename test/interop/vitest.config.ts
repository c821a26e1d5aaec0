import { defineConfig, mergeConfig } from 'vitest/config';
import shared from '../../vitest.config.ts';

const { plugins = [], test: { projects: _, ...test } = {} } = shared;

export default defineConfig(mergeConfig({ plugins, test }, { test: { include: ['test/interop/*.interop.ts'] } }));
