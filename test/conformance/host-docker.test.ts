import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { containerHost } from '../../src/hosts/container.ts';
import { openDocker } from '../support/docker.ts';
import { TEST_IMAGE } from '../support/podman.ts';
import { describeHost } from './host.ts';

const gates = await mkdtemp(join(tmpdir(), 'gantry-gates-'));
const docker = await openDocker();
const settings = { engine: 'docker', image: TEST_IMAGE, memory: 1_000_000_000, cpus: 2, processes: 200 } as const;
const options = {
  environment: docker.env,
  gates,
  hidden: [],
  readable: () => [],
  reach: () => [],
  settings: () => settings,
  owner: { home: 'test', run: 'test' },
};

afterAll(async () => {
  await docker[Symbol.asyncDispose]();
  await rm(gates, { recursive: true });
});

describeHost(containerHost(options), {
  problem: docker.problem,
  readable: [new URL('../fixtures/process', import.meta.url).pathname],
  startMs: 9_500,
});
