import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { containerHost } from '../../src/hosts/container.ts';
import { openPodman, TEST_IMAGE } from '../support/podman.ts';
import { describeHost } from './host.ts';

const gates = await mkdtemp(join(tmpdir(), 'gantry-gates-'));
const podman = await openPodman();
const settings = { engine: 'podman', image: TEST_IMAGE, memory: 1_000_000_000, cpus: 2, processes: 200 } as const;
const options = {
  environment: podman.env,
  gates,
  hidden: [],
  readable: () => [],
  reach: () => [],
  settings: () => settings,
  owner: { home: 'test', run: 'test' },
};

afterAll(async () => {
  await podman[Symbol.asyncDispose]();
  await rm(gates, { recursive: true });
});

describeHost(containerHost(options), {
  problem: podman.problem,
  readable: [new URL('../fixtures/process', import.meta.url).pathname],
  startMs: 9_500,
});
