import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { sandboxHost, sandboxProblem } from '../../src/hosts/sandbox.ts';
import { describeHost } from './host.ts';

const gates = await mkdtemp(join(tmpdir(), 'gantry-gates-'));
const problem = await sandboxProblem(process.env.PATH ?? '');
const options = { environment: process.env, gates, hidden: [], readable: () => [], reach: () => [] };

afterAll(() => rm(gates, { recursive: true }));

describeHost(sandboxHost(options), {
  problem,
  readable: [new URL('../fixtures/process', import.meta.url).pathname],
  startMs: 4_500,
});
