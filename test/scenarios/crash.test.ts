import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import { gone, type World } from '../support/world.ts';

/** The session that an attempt has, once it is running. */
const running = (world: World, taskId: string) =>
  world.until('a running session', ({ sessions, attempts }) =>
    [...sessions.values()].find(
      (session) => session.state === 'running' && attempts.get(session.attemptId ?? '')?.taskId === taskId,
    ),
  );

const attemptsOf = (world: World, taskId: string) =>
  [...world.journal.view.attempts.values()].filter((attempt) => attempt.taskId === taskId);

describe('a program that is killed in mid-task (B1)', () => {
  scenario(
    'loses nothing: the task goes on in the same workspace under a new attempt',
    { deaths: 1 },
    async (world) => {
      const { id } = await world.submitOne([
        { write: { path: 'half.txt', content: 'half\n' } },
        { hold: 'go', run: 'cp half.txt copy.txt' },
        { text: 'whole' },
      ]);
      await world.until('the file', () => world.journal.facts.some((fact) => fact.kind === 'file.changed'));
      const task = await world.task(id, 'T1', 'working');
      const session = await running(world, task.id);
      const pid = await world.agent.pidOf(session.nativeId ?? '');
      process.kill(pid, 'SIGKILL');
      await gone(pid);
      await world.until('the next attempt', ({ attempts }) =>
        [...attempts.values()].some((attempt) => attempt.number === 2 && attempt.state === 'working'),
      );
      expect(await readFile(join(session.directory, 'half.txt'), 'utf8')).toBe('half\n');
      await world.agent.release('go');
      const request = await world.over(id);
      expect(request).toMatchObject({ state: 'done' });
      expect(request.result?.filesChanged.map(({ path }) => path)).toEqual(['copy.txt', 'half.txt']);
      const attempts = attemptsOf(world, task.id);
      expect(attempts.map(({ state, failure }) => [state, failure?.class])).toEqual([
        ['failed', 'crash'],
        ['done', undefined],
      ]);
      expect(attempts[0]?.workspace).toBe(attempts[1]?.workspace);
      expect(attempts[0]?.cause).toContain('SIGKILL');
      const origin = world.journal.facts.findLast(
        (fact) => fact.kind === 'session.changed' && fact.data.from === 'starting' && fact.data.to === 'running',
      );
      expect(origin?.data).toMatchObject({ cause: 'resumed session' });
      const alerts = world.journal.facts.filter(({ kind }) => kind === 'alert.opened' || kind === 'alert.closed');
      expect(alerts.map((fact) => [fact.kind, 'key' in fact.data && fact.data.key])).toEqual([
        ['alert.opened', `crash:${task.id}`],
        ['alert.closed', `crash:${task.id}`],
      ]);
      const done = world.journal.facts.filter(
        (f) => f.kind === 'task.changed' && f.data.from !== 'done' && f.data.to === 'done',
      );
      expect(done).toHaveLength(1);
    },
  );

  scenario('if it is a child of a tool, is an error of the tool and nothing more', {}, async (world) => {
    const { id } = await world.submitOne([
      { run: "sh -c 'echo $$ > pid.new; mv pid.new pid; exec tail -f /dev/null'; exit $?" },
      { text: 'it said: {{lastToolOutput}}' },
    ]);
    const session = await running(world, (await world.task(id, 'T1', 'working')).id);
    const pidFile = join(session.directory, 'pid');
    const pid = await until(
      async () => Number(await readFile(pidFile, 'utf8').catch(() => '')) || null,
      { everyMs: 20, limitMs: LIMIT_MS },
      () => new Error('the tool has not begun'),
    );
    process.kill(pid, 'SIGKILL');
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    const task = await world.task(id, 'T1', 'done');
    expect(task.attempts).toBe(1);
    expect(task.result?.summary).toContain('Killed');
    expect(world.journal.facts.filter(({ kind }) => kind === 'tool.ended')).toHaveLength(1);
  });
});

describe('slow is not dead (B4)', () => {
  const impatient = { config: { limits: { stuckAfter: 1_000 } } };

  scenario('a silent agent that lives is left alone, and is called stuck with one alert', impatient, async (world) => {
    const { id } = await world.submitOne([{ silentMs: 4_000, run: 'true' }, { text: 'slow' }]);
    const task = await world.task(id, 'T1', 'working');
    const session = await running(world, task.id);
    await world.until('that it is stuck', () =>
      world.journal.facts.some(
        ({ kind, data }) => kind === 'session.changed' && data.row.id === session.id && data.row.activity === 'stuck',
      ),
    );
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect((await world.task(id)).attempts).toBe(1);
    // On a loaded machine another step may be as slow: each silence has its own alert, never a second one.
    const alerts = world.journal.facts.filter(({ kind }) => kind === 'alert.opened' || kind === 'alert.closed');
    expect(alerts.map(({ kind }) => kind)).toEqual(
      alerts.map((_, i) => (i % 2 === 0 ? 'alert.opened' : 'alert.closed')),
    );
    expect(alerts.at(-1)?.kind).toBe('alert.closed');
  });

  const watchful = {
    // The signs of life of a real program are 10 s apart.
    config: ({ backend, heartbeatMs }: ScriptedAgent) => ({
      limits: { hungAfter: (backend === 'fake' ? 10 : 2) * heartbeatMs },
    }),
    deaths: 1,
  };
  scenario(
    'a program that is stopped by a signal is found, with evidence, and its task goes on',
    watchful,
    async (world) => {
      const { id } = await world.submitOne([
        { write: { path: 'half.txt', content: 'half\n' } },
        { hold: 'go', run: 'cp half.txt copy.txt' },
        { text: 'whole' },
      ]);
      await world.until('the file', () => world.journal.facts.some((fact) => fact.kind === 'file.changed'));
      const task = await world.task(id, 'T1', 'working');
      const session = await running(world, task.id);
      const pid = await world.agent.pidOf(session.nativeId ?? '');
      process.kill(pid, 'SIGSTOP');
      await world.until('the next attempt', ({ attempts }) =>
        [...attempts.values()].some((attempt) => attempt.number === 2 && attempt.state === 'working'),
      );
      await gone(pid);
      expect(await readFile(join(session.directory, 'half.txt'), 'utf8')).toBe('half\n');
      await world.agent.release('go');
      expect(await world.over(id)).toMatchObject({ state: 'done' });
      const [first] = attemptsOf(world, task.id);
      expect(first?.failure).toMatchObject({
        class: 'crash',
        message: expect.stringMatching(/no sign of life for \d+ s/),
      });
      const alerts = world.journal.facts.filter(({ kind }) => kind === 'alert.opened' || kind === 'alert.closed');
      expect(alerts.map(({ kind }) => kind)).toEqual(['alert.opened', 'alert.closed']);
    },
  );
});
