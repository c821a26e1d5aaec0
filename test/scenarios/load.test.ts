import { readdir, readlink } from 'node:fs/promises';
import { setInterval } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { isTaskActive } from '../../src/contract/task.ts';
import { scenario } from '../support/scenario.ts';
import type { World } from '../support/world.ts';

/** What a real program takes is a second of a processor each time. */
const TASKS = { fake: 20, real: 9 };

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

type Sample = { readonly agents: number; readonly programs: number };

/** What `agents` and the system say five times a second, until it is stopped. */
function sampling(world: World): AsyncDisposable & { readonly samples: readonly Sample[] } {
  const samples: Sample[] = [];
  const abort = new AbortController();
  const loop = async (): Promise<void> => {
    for await (const _ of setInterval(200, null, { signal: abort.signal })) {
      const [{ items }, programs] = await Promise.all([world.call('agents.list', {}), agentsIn(world.home)]);
      const live = items.filter(({ state }) => state === 'starting' || state === 'running');
      samples.push({ agents: live.length, programs });
    }
  };
  const over = loop().catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  return {
    samples,
    [Symbol.asyncDispose]: () => {
      abort.abort();
      return over;
    },
  };
}

const PRIORITIES = [2, 0, 1];

describe('more tasks than may run (C1)', () => {
  const limited = { config: { limits: { maxParallel: 5, maxWorkspacesPerProject: 100 } } };

  scenario(
    'are given out by priority, then age, never more at once than the limit, and a raised limit holds at once',
    limited,
    async (world) => {
      const given: { readonly id: string; readonly priority: number }[] = [];
      await using sampled = sampling(world);
      const { samples } = sampled;
      const count = world.agent.backend === 'fake' ? TASKS.fake : TASKS.real;
      for (let i = 0; i < count; i += 1) {
        const priority = PRIORITIES[i % PRIORITIES.length] ?? 2;
        const task = `Do ${i}.\n${world.agent.play({ hold: i < 5 ? 'first' : 'second', text: `done ${i}` })}`;
        const { requestId } = await world.call('tasks.sling', { task, project: world.project.root, priority });
        given.push({ id: requestId ?? '', priority });
      }
      const isWorking = (count: number): Promise<true> =>
        world.until(
          `${count} at work`,
          ({ tasks }) => [...tasks.values()].filter((t) => t.state === 'working').length === count,
        );
      await isWorking(5);
      await expectPrograms(world, 5);
      const behind = given.slice(5).sort((a, b) => a.priority - b.priority);
      const order = [...given.slice(0, 5), ...behind].map(({ id }) => id);
      const rows = (await world.gantry(['queue', '--json'])).json() as readonly {
        readonly position: number;
        readonly requestId: string;
        readonly age: number;
        readonly reason: string;
      }[];
      const queue = rows.filter(({ requestId }) => order.includes(requestId));
      expect(queue.map(({ requestId }) => requestId)).toEqual(order.slice(5));
      expect(queue.map(({ position }) => position)).toEqual(queue.map((_, index) => index + 1));
      expect(queue.every(({ age, reason }) => age > 0 && reason.includes('limit of 5 attempts at once'))).toBe(true);

      const raisedAt = world.journal.view.seq;
      // One that is on its way may be answered after the raise.
      const before = [...samples];
      await world.configure({ limits: { maxParallel: 8, maxWorkspacesPerProject: 100 } });
      await isWorking(8);
      await expectPrograms(world, 8);
      await world.agent.release('first');
      await world.agent.release('second');
      for (const { id } of given) expect(await world.over(id as never)).toMatchObject({ state: 'done' });
      await sampled[Symbol.asyncDispose]();

      const counts = activeOverTime(world);
      expect(Math.max(...counts.filter(({ seq }) => seq <= raisedAt).map(({ active }) => active))).toBe(5);
      expect(Math.max(...counts.map(({ active }) => active))).toBe(8);
      const most = (seen: readonly Sample[]): number =>
        Math.max(0, ...seen.map(({ agents, programs }) => Math.max(agents, world.agent.isStanding ? 0 : programs)));
      expect(most(before)).toBeLessThanOrEqual(5);
      expect(most(samples)).toBeLessThanOrEqual(8);
      const started = world.journal.facts.flatMap(({ kind, data }) =>
        kind === 'task.changed' && data.from === 'ready' && data.to === 'assigned' ? [data.row.requestId] : [],
      );
      expect(started).toEqual(order);
    },
  );
});
