import { readdir, readlink } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { isTaskActive } from '../../src/contract/task.ts';
import { scenario } from '../support/scenario.ts';
import type { World } from '../support/world.ts';

const TASKS = 20;

/** How many tasks were active at once after each fact. */
function activeOverTime(world: World): { readonly seq: number; readonly active: number }[] {
  const active = new Set<string>();
  return world.journal.facts.flatMap(({ kind, seq, data }) => {
    if (kind !== 'task.changed') return [];
    if (isTaskActive(data.row.state)) active.add(data.row.id);
    else active.delete(data.row.id);
    return [{ seq, active: active.size }];
  });
}

/** As many agent programs work in workspaces now; a program that stands by serves all sessions from one directory. */
async function expectPrograms(world: World, count: number): Promise<void> {
  if (!world.agent.isStanding) expect(await agentsIn(world.home)).toBe(count);
}

async function agentsIn(home: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const directories = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
  return new Set(directories.filter((directory) => directory.startsWith(`${home}/workspaces/`))).size;
}

describe('more tasks than may run (C1)', () => {
  const limited = { config: { limits: { maxParallel: 5, maxWorkspacesPerProject: 100 } } };

  scenario(
    'are given out in order, never more at once than the limit, also when it is raised',
    limited,
    async (world) => {
      const requests: string[] = [];
      for (let i = 0; i < TASKS; i += 1) {
        requests.push((await world.submitOne([{ hold: i < 10 ? 'first' : 'second', text: `done ${i}` }])).id);
      }
      const isWorking = (count: number): Promise<true> =>
        world.until(
          `${count} at work`,
          ({ tasks }) => [...tasks.values()].filter((t) => t.state === 'working').length === count,
        );
      await isWorking(5);
      await expectPrograms(world, 5);
      const queued = await world.task(requests.at(-1) as never, 'T1', 'ready');
      const explained = await world.gantry(['explain', queued.id]);
      expect(explained.stdout).toContain('limit of 5 attempts at once is reached');
      expect(explained.stdout).toContain(`${TASKS - 5}`);

      await world.configure({ limits: { maxParallel: 8, maxWorkspacesPerProject: 100 } });
      const raisedAt = world.journal.view.seq;
      await world.agent.release('first');
      await isWorking(8);
      await expectPrograms(world, 8);
      await world.agent.release('second');
      for (const id of requests) expect(await world.over(id as never)).toMatchObject({ state: 'done' });

      const counts = activeOverTime(world);
      expect(Math.max(...counts.filter(({ seq }) => seq <= raisedAt).map(({ active }) => active))).toBe(5);
      expect(Math.max(...counts.map(({ active }) => active))).toBe(8);
      const started = world.journal.facts.flatMap(({ kind, data }) =>
        kind === 'task.changed' && data.from === 'ready' && data.to === 'assigned' ? [data.row.requestId] : [],
      );
      expect(started).toEqual(requests);
    },
  );
});
