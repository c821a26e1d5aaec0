import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import type { Host, HostProcess, StartSpec } from '../../src/hosts/host.ts';

const STUBBORN = fileURLToPath(new URL('../fixtures/process/stubborn.mjs', import.meta.url));

/** A host that puts programs of its own around the one that is started: how many, and how they end, is theirs. */
export type Walls = {
  /** Why it cannot be had here. */
  readonly problem: string | null;
  /** What it must show of the tests' files. */
  readonly readable: readonly string[];
  /** What a start may take under load. */
  readonly startMs: number;
};

/** The laws of `Host`; without walls what is ended is known to the last process and signal. */
export function describeHost(host: Host, walls: Walls | null = null): void {
  const { problem, readable, startMs } = walls ?? { problem: null, readable: [], startMs: 0 };
  describe.skipIf(problem !== null)(`host ${host.id}${problem === null ? '' : ` (${problem})`}`, () => {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
    let cwd: string;
    let marker: string;

    beforeEach(async () => {
      cwd = await mkdtemp(join(tmpdir(), 'gantry-host-'));
      marker = `test:${randomUUID()}`;
    });

    afterEach(async () => {
      for (const record of await host.find(marker)) await host.stop(record, { graceMs: 0 });
      await rm(cwd, { recursive: true });
    });

    const start = (command: StartSpec['command'], more: Partial<StartSpec> = {}): Promise<HostProcess> =>
      host.start({
        command,
        cwd,
        env,
        marker,
        stdin: 'ignore',
        output: 'pipe',
        access: { writable: [], readable },
        ...more,
      });
    const linesOf = async (program: HostProcess): Promise<string[]> =>
      (await Array.fromAsync(program.lines)).map((line) => line.text);

    test('a program gets exactly the environment that is given, and its marker', async () => {
      const program = await start(['env']);
      expect((await linesOf(program)).sort()).toEqual([`GANTRY_SPAWN=${marker}`, `PATH=${env.PATH}`]);
    });

    test('a program runs in its directory, reads its input and tells its exit', async () => {
      const program = await start(['sh', '-c', 'pwd; cat; exit 3'], { stdin: { text: 'given' } });
      expect(await linesOf(program)).toEqual([cwd, 'given']);
      expect(await program.exited).toEqual({ code: 3, signal: null });
    });

    test('a program that is not there is refused by name', async () => {
      await expect(start(['gantry-no-such-program'])).rejects.toMatchObject({
        code: 'spawn_failed',
        details: { program: 'gantry-no-such-program' },
      });
    });

    test('a record is alive while its program is, and is found by its marker', async () => {
      const program = await start(['sleep', '600']);
      expect(await host.isAlive(program.record)).toBe(true);
      const found = await host.find(marker);
      if (walls) expect(found).toContainEqual(program.record);
      else expect(found).toEqual([program.record]);
      expect(await host.isAlive({ ...program.record, startTime: 'another' })).toBe(false);
      await program.stop({ graceMs: 20_000 });
      expect(await host.isAlive(program.record)).toBe(false);
      expect(await host.find(marker)).toEqual([]);
    });

    test('a record from before a restart is enough to stop a stubborn family', async () => {
      const { lines, record, exited } = await start([process.execPath, STUBBORN]);
      let ready = 0;
      for await (const _line of lines) if (++ready === 2) break;
      const processes = (await host.usage(marker))?.processes;
      if (walls) expect(processes).toBeGreaterThanOrEqual(2);
      else expect(processes).toBe(2);

      const report = await host.stop(JSON.parse(JSON.stringify(record)), { graceMs: 100 });

      expect(report).toEqual({ code: null, signal: null, swept: walls ? expect.any(Number) : 1, survivors: [] });
      expect(await exited).toEqual({ code: null, signal: walls ? expect.any(String) : 'SIGKILL' });
      expect(await host.find(marker)).toEqual([]);
      expect(await host.usage(marker)).toBeNull();
    });

    const { freeze, thaw } = host;
    if (freeze && thaw)
      test('a frozen program gets no processor time and writes nothing; thawed it goes on', async () => {
        const program = await start(['sh', '-c', 'while :; do echo x >> ticks; done']);
        const written = async () => (await stat(join(cwd, 'ticks')).catch(() => null))?.size ?? 0;
        const moreThan = (size: number) =>
          until(
            async () => ((await written()) > size ? true : null),
            { everyMs: 20, limitMs: 60_000 },
            () => new Error('it does not go on'),
          );
        /** Of the program alone: not of what makes the walls. */
        const processorTime = async (): Promise<string[]> => {
          const pids = (await host.find(marker)).map(({ pid }) => pid);
          const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
          return stats.filter((line) => line.includes('(sh)')).map((line) => line.split(' ').slice(13, 15).join(' '));
        };
        await moreThan(0);
        await freeze(program.record);
        const frozen = [await written(), await processorTime()];
        expect(frozen[1]).toHaveLength(1);
        await host.run({ command: ['true'], cwd, env, marker: `${marker}-other`, limitMs: 60_000 });
        expect([await written(), await processorTime()]).toEqual(frozen);
        expect(await host.isAlive(program.record)).toBe(true);
        await thaw(program.record);
        await moreThan(Number(frozen[0]));
        await program.stop({ graceMs: 20_000 });
        await expect(freeze(program.record)).rejects.toMatchObject({ code: 'internal' });
      });

    test('a run ends at its limit and leaves nothing', async () => {
      const result = await host.run({
        command: ['sh', '-c', 'echo begun; setsid sleep 600 & sleep 600'],
        cwd,
        env,
        marker,
        limitMs: 5_000 + startMs,
      });
      expect(result).toMatchObject({ stdout: 'begun\n', isTimedOut: true });
      // The client of a container engine may be there to tell of the signal by its code, which says nothing of the program's.
      const signals = walls ? ['SIGTERM', null] : ['SIGTERM'];
      expect(result.code).toBeNull();
      expect(signals).toContain(result.signal);
      expect(await host.find(marker)).toEqual([]);
    });
  });
}
