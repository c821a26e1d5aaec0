import { describe, expect } from 'vitest';
import { isAttemptLive } from '../../src/contract/attempt.ts';
import type { Request } from '../../src/contract/request.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

/** Restarts the daemon by force and proves that nothing of the request came back to life. */
async function staysClosed(world: World, request: Request): Promise<void> {
  const asked = (await world.agent.requests()).length;
  const states = (): unknown =>
    [...world.journal.view.tasks.values()]
      .filter((t) => t.requestId === request.id)
      .map((t) => [t.label, t.state, t.attempts]);
  const before = states();
  await world.kill();
  await world.up();
  // Work that comes later and is carried out proves that the daemon had every chance to take up the old.
  const probe = await world.submitOne([{ text: 'fresh' }]);
  expect(await world.over(probe.id)).toMatchObject({ state: 'done' });
  expect(states()).toEqual(before);
  const { attempts, requests } = world.journal.view;
  expect([...attempts.values()].filter((a) => a.requestId === request.id && isAttemptLive(a.state))).toEqual([]);
  expect(requests.get(request.id)?.state).toBe('cancelled');
  expect(await world.agent.requests()).toHaveLength(asked + 1);
}

const cancelled = async (world: World, request: Request): Promise<void> => {
  const result = await world.gantry(['cancel', request.id, '--json']);
  expect(result).toMatchObject({ code: 0 });
  expect(result.json()).toMatchObject({ id: request.id, state: 'cancelled' });
  expect(await world.over(request.id)).toMatchObject({ state: 'cancelled', cause: 'cancelled by person' });
};

/** What happens before and after the program's part is the same on every backend. */
const not = { real: 'the program has no part in it' };

describe('closed means closed (B3)', () => {
  scenario('when queued', { not, config: { limits: { maxParallel: 1 } } }, async (world) => {
    const holder = await world.submitOne([{ hold: 'go', text: 'held' }]);
    await world.task(holder.id, 'T1', 'working');
    const request = await world.submitOne([{ text: 'never' }]);
    const task = await world.task(request.id, 'T1', 'ready');
    expect((await world.gantry(['explain', task.id])).stdout).toContain('limit of 1 attempts at once is reached');
    await cancelled(world, request);
    await world.agent.release('go');
    expect(await world.over(holder.id)).toMatchObject({ state: 'done' });
    await staysClosed(world, request);
    expect((await world.task(request.id)).attempts).toBe(0);
  });

  const slow = {
    not: { real: 'test/conformance gives up a start of it' },
    config: (agent: ScriptedAgent) => ({ backends: { [`${agent.backend}-mute`]: agent.broken('neverReady') } }),
  };
  scenario('when starting', slow, async (world) => {
    const request = await world.submitOne([{ text: 'never' }], { backend: `${world.agent.backend}-mute` });
    await world.task(request.id, 'T1', 'assigned');
    await world.until('a start', ({ sessions }) => [...sessions.values()].some((s) => s.state === 'starting'));
    await cancelled(world, request);
    await staysClosed(world, request);
  });

  scenario('when working, and only an explicit word takes it up again', {}, async (world) => {
    const request = await world.submitOne([
      { write: { path: 'half.txt', content: 'half\n' } },
      { hold: 'go', run: 'true' },
      { text: 'whole' },
    ]);
    await world.until('the file', () => world.journal.facts.some((fact) => fact.kind === 'file.changed'));
    await cancelled(world, request);
    await staysClosed(world, request);
    const again = await world.gantry(['cancel', request.id, '--json']);
    expect(again).toMatchObject({ code: 1 });
    expect(again.json()).toMatchObject({ error: { code: 'conflict' } });

    await world.agent.release('go');
    expect(await world.gantry(['retry', request.id])).toMatchObject({ code: 0 });
    const done = await world.until('the end of the second try', ({ requests }) => {
      const row = requests.get(request.id);
      return row?.state === 'done' && row;
    });
    expect(await world.project.git(['show', `${done.result?.branch}:half.txt`])).toBe('half');
    expect(await world.gantry(['retry', request.id])).toMatchObject({ code: 1 });
  });

  scenario('when being verified', { not }, async (world) => {
    const pipe = world.project.beside('pipe');
    const request = await world.submitPlan([
      {
        id: 'T1',
        acts: [{ write: { path: 'a.txt', content: 'a\n' } }, { text: 'says done' }],
        check: `mkfifo ${pipe} && read -r line < ${pipe}`,
      },
    ]);
    await world.task(request.id, 'T1', 'verifying');
    await cancelled(world, request);
    await staysClosed(world, request);
    expect(await world.project.git(['branch', '--list', request.branch])).toBe('');
  });

  const reviewed = { not, config: { merge: { isAuto: true, target: 'main', approvals: 1 } } };
  scenario('when in the merge queue, and what is closed is not slung again', reviewed, async (world) => {
    const request = await world.submitOne([{ write: { path: 'a.txt', content: 'a\n' } }, { text: 'made' }]);
    const merge = await world.until('the review', ({ merges }) =>
      [...merges.values()].find(({ state }) => state === 'reviewing'),
    );
    const withdrawn = await world.gantry(['cancel', request.id, '--json']);
    expect(withdrawn.json()).toMatchObject({ id: request.id, state: 'withdrawn' });
    await world.kill();
    await world.up();
    expect(await world.gantry(['merge', 'review', merge.id, 'approve'])).toMatchObject({ code: 1 });
    const task = await world.task(request.id);
    for (const force of [[], ['--force']]) {
      const slung = await world.gantry(['sling', task.id, 'project', ...force]);
      expect(slung).toMatchObject({ code: 1, stderr: expect.stringContaining('is done') });
    }
    const probe = await world.submitOne([{ text: 'fresh' }]);
    expect(await world.over(probe.id)).toMatchObject({ state: 'done' });
    expect(world.journal.view.merges.get(merge.id)).toMatchObject({ state: 'withdrawn' });
    expect(await world.project.git(['rev-list', '--count', 'main'])).toBe('1');
  });
});
