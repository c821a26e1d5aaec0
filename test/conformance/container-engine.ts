import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { containerHost } from '../../src/hosts/container.ts';
import { TEST_IMAGE } from '../support/podman.ts';
import { describeHost } from './host.ts';

/** An engine with a storage of its own that has the test image. */
type Engine = AsyncDisposable & { readonly env: Readonly<Record<string, string>>; readonly problem: string | null };

/** Holds the container host to the laws of a host, with an engine that the tests have opened and that ends with them. */
export async function describeContainerHost(name: 'podman' | 'docker', engine: Engine): Promise<void> {
  const gates = await mkdtemp(join(tmpdir(), 'gantry-gates-'));
  const settings = { engine: name, image: TEST_IMAGE, memory: 1_000_000_000, cpus: 2, processes: 200 };
  const options = {
    environment: engine.env,
    gates,
    hidden: [],
    readable: () => [],
    reach: () => [],
    settings: () => settings,
    owner: { home: 'test', run: 'test' },
  };
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await rm(gates, { recursive: true });
  });
  describeHost(containerHost(options), {
    problem: engine.problem,
    readable: [new URL('../fixtures/process', import.meta.url).pathname],
    startMs: 9_500,
  });
}
