import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { containerHost } from '../../src/hosts/container.ts';
import { setGroupFrozen } from '../../src/hosts/freezer.ts';
import type { Host } from '../../src/hosts/host.ts';
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
  const host = containerHost(options);
  describeHost(host, {
    problem: engine.problem,
    readable: [new URL('../fixtures/process', import.meta.url).pathname],
    startMs: 9_500,
  });
  const { problem } = engine;
  describe.skipIf(problem !== null)(`what ${name} has frozen${problem === null ? '' : ` (${problem})`}`, () => {
    const ask = async (...args: string[]) => (await promisify(execFile)(name, args, { env: engine.env })).stdout.trim();
    const nothingLeft = () =>
      until(
        async () => ((await ask('ps', '--all', '--quiet')) === '' ? true : null),
        { everyMs: 100, limitMs: 60_000 },
        () => new Error('a container is left'),
      );
    const pid = async () =>
      Number(await ask('inspect', '--format', '{{.State.Pid}}', await ask('ps', '--all', '--quiet')));

    test('a word of it that was cut off in the middle is brought to its end, either way', async () => {
      await using ticker = await startTicker(host);
      const { freeze, thaw } = host;
      await setGroupFrozen(await pid(), true);
      expect(await ask('ps', '--all', '--format', '{{.Status}}')).toContain('Up');
      await thaw?.(ticker.record);
      await ticker.goesOn();
      await setGroupFrozen(await pid(), true);
      await freeze?.(ticker.record);
      expect(await ask('ps', '--all', '--format', '{{.Status}}')).toContain('Paused');
      await setGroupFrozen(await pid(), false);
      await thaw?.(ticker.record);
      expect(await ask('ps', '--all', '--format', '{{.Status}}')).not.toContain('Paused');
      await ticker.goesOn();
    });

    test.each(['by it', 'by the kernel alone'])('ends where it stands: frozen %s', async (by) => {
      await using ticker = await startTicker(host);
      if (by === 'by it') await host.freeze?.(ticker.record);
      else await setGroupFrozen(await pid(), true);
      expect(await ticker.stop({ graceMs: 100 })).toMatchObject({ survivors: [] });
      await nothingLeft();
    });

    test('is let alone by what another engine says of its process', async () => {
      await using ticker = await startTicker(host);
      const bin = await mkdtemp(join(tmpdir(), 'gantry-engine-'));
      const answers = `ps) echo ${'f'.repeat(64)} ;; inspect) echo paused ${await pid()} ;;`;
      await writeFile(join(bin, name), `#!/bin/sh\ncase $1 in ${answers} esac\n`, { mode: 0o755 });
      const other = containerHost({ ...options, environment: { PATH: bin } });
      await other.freeze?.(ticker.record);
      await ticker.goesOn();
      await rm(bin, { recursive: true });
    });

    test('cannot go on once its container is gone, or without its engine; that is said at once', async () => {
      await using ticker = await startTicker(host);
      await host.freeze?.(ticker.record);
      const without = containerHost({ ...options, environment: { ...engine.env, PATH: '/nowhere' } });
      await expect(without.thaw?.(ticker.record)).rejects.toMatchObject({ code: 'internal' });
      await expect(without.freeze?.(ticker.record)).rejects.toMatchObject({ code: 'internal' });
      await ticker.stop({ graceMs: 100 });
      await nothingLeft();
      await expect(host.thaw?.(ticker.record)).rejects.toMatchObject({ code: 'internal' });
    });
  });
}

/** A program that writes for as long as it is not frozen. */
async function startTicker(host: Host) {
  const cwd = await mkdtemp(join(tmpdir(), 'gantry-ticks-'));
  const program = await host.start({
    ...{ command: ['sh', '-c', 'while :; do echo x >> ticks; done'], cwd, env: { PATH: '/usr/bin:/bin' } },
    ...{ marker: `test:${randomUUID()}`, stdin: 'ignore', output: 'pipe' },
  });
  const written = async () => (await stat(join(cwd, 'ticks')).catch(() => null))?.size ?? 0;
  const goesOn = async (): Promise<void> => {
    const before = await written();
    const isSo = async () => ((await written()) > before ? true : null);
    await until(isSo, { everyMs: 20, limitMs: 60_000 }, () => new Error('it does not go on'));
  };
  await goesOn();
  return {
    ...program,
    goesOn,
    [Symbol.asyncDispose]: async () => {
      await program.stop({ graceMs: 0 });
      await rm(cwd, { recursive: true });
    },
  };
}
