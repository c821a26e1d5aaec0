import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { containerHost } from '../../src/hosts/container.ts';
import type { Host } from '../../src/hosts/host.ts';
import { localHost } from '../../src/hosts/local.ts';
import { sandboxHost, sandboxProblem } from '../../src/hosts/sandbox.ts';
import { openPodman, TEST_IMAGE } from '../support/podman.ts';
import { tempDir } from '../support/temp.ts';
import { type Measure, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const LIMIT_MS = 60_000;

/** What walls cost at the start of a program. */
export const isolation: Measure = {
  name: 'isolation',
  title: 'A program behind walls',
  how: 'From the call to the end of `true`, on each host in turn: as a process, in a sandbox, in a container of Podman from an image of this machine’s programs. What cannot be had here is left out.',
  run: async ({ isQuick }) => {
    await using directory = await tempDir();
    await using podman = await openPodman();
    const cwd = join(directory.path, 'work');
    await mkdir(cwd);
    const settings = { engine: 'podman', image: TEST_IMAGE, memory: 1_000_000_000, cpus: 2, processes: 200 } as const;
    const options = {
      environment: { ...process.env, ...podman.env },
      gates: join(directory.path, 'gates'),
      hidden: [],
      readable: () => [],
      reach: () => [],
      settings: () => settings,
      owner: { home: 'bench', run: 'bench' },
    };
    const hasSandbox = (await sandboxProblem(process.env.PATH ?? '')) === null;
    const hosts: Host[] = [
      localHost,
      ...(hasSandbox ? [sandboxHost(options)] : []),
      ...(podman.problem === null ? [containerHost(options)] : []),
    ];
    const once = async (host: Host): Promise<number> =>
      await timed(async () => {
        const command = ['sh', '-c', 'true'] as const;
        await host.run({ command, cwd, env: { PATH: '/usr/bin:/bin' }, marker: 'bench', limitMs: LIMIT_MS });
      });
    const rounds = await repeat(isQuick ? 5 : 30, async () => {
      const times: number[] = [];
      for (const host of hosts) times.push(await once(host));
      return times;
    });
    return hosts.map(({ id }, i) =>
      sampled(
        id === 'local' ? 'process' : id,
        'ms',
        rounds.map((times) => times[i] ?? 0),
      ),
    );
  },
};
