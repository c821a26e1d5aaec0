import { expect } from 'vitest';
import type { Assignment, QueueRow } from '../../src/contract/agent-operations.ts';
import type { Message } from '../../src/contract/message.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

const sling = async (world: World, text: string, ...flags: readonly string[]): Promise<Assignment> => {
  const result = await world.gantry(['sling', text, world.project.root, '--json', ...flags]);
  if (result.code !== 0) throw new Error(`sling: ${result.code}\n${result.stdout}\n${result.stderr}`);
  return result.json();
};

scenario(
  'A1 three agents by name work side by side, are listed as they are, and their work is kept',
  {},
  async (world) => {
    const { play } = world.agent;
    const names = ['worker-1', 'worker-2', 'worker-3'];
    const slung = await Promise.all(
      names.map((name) =>
        sling(
          world,
          `Make ${name}. ${play({ hold: 'go', write: { path: `${name}.txt`, content: name } })}`,
          '--name',
          name,
        ),
      ),
    );
    expect(slung.map(({ state, agent }) => [state, agent])).toEqual(
      names.map((name) => ['assigned', `project/worker/${name}`]),
    );
    // An assignment is answered before its program is up.
    for (const { requestId } of slung) await world.task(requestId ?? 'req_', 'T1', 'working');
    const columns = ['agents', '--columns', 'backend,role,name,project,state'];
    const rows = (await world.gantry(columns)).stdout.trim().split('\n');
    expect(rows.map((row) => row.trim().split(/\s+/))).toEqual([
      ['BACKEND', 'ROLE', 'NAME', 'PROJECT', 'STATE'],
      ...names.map((name) => [world.agent.backend, 'worker', name, 'project', 'running']),
    ]);
    expect(new Set(slung.map(({ workspace }) => workspace)).size).toBe(3);
    expect(new Set(slung.map(({ branch }) => branch)).size).toBe(3);
    await world.agent.release('go');
    for (const { requestId } of slung) expect((await world.over(requestId ?? 'req_')).state).toBe('done');
  },
);

scenario(
  'C1 beyond the limit tasks wait in the order of their priority, with position and reason; a raise works at once',
  { config: { limits: { maxParallel: 2 } }, not: { opencode: 'how the agent works is no part of it' } },
  async (world) => {
    const { play } = world.agent;
    const priorities = [2, 2, 4, 0, 2, 0, 4, 2];
    const made: Assignment[] = [];
    for (const [i, priority] of priorities.entries()) {
      const text = `Do ${i}. ${play({ hold: `go${i}`, write: { path: `${i}.txt`, content: 'x' } })}`;
      made.push(await sling(world, text, '--priority', String(priority)));
    }
    expect(made.map(({ state }) => state)).toEqual(priorities.map((_, i) => (i < 2 ? 'assigned' : 'queued')));
    const queue = async (): Promise<readonly QueueRow[]> => (await world.gantry(['queue', '--json'])).json();
    const before = await queue();
    expect(before.map(({ priority, position }) => [priority, position])).toEqual([
      [0, 1],
      [0, 2],
      [2, 3],
      [2, 4],
      [4, 5],
      [4, 6],
    ]);
    expect(before.every(({ reason }) => reason.includes('limit of 2 attempts at once'))).toBe(true);
    await world.configure({ limits: { maxParallel: 4 } });
    await world.agent.release('go0');
    await world.until('four at once', ({ tasks }) => {
      const states = [...tasks.values()].filter((t) => t.state === 'working').length;
      return states === 4;
    });
    for (const [i] of priorities.entries()) await world.agent.release(`go${i}`);
    for (const { requestId } of made) expect((await world.over(requestId ?? 'req_')).state).toBe('done');
    const most = mostAtOnce(world);
    expect(most).toBe(4);
    const order = world.journal.facts.flatMap((fact) =>
      fact.kind === 'task.changed' && fact.data.to === 'assigned' ? [fact.data.row.priority] : [],
    );
    expect(order.slice(2)).toEqual([0, 0, 2, 2, 4, 4]);
  },
);

function mostAtOnce(world: World): number {
  const active = new Set<string>();
  let most = 0;
  for (const fact of world.journal.facts) {
    if (fact.kind !== 'attempt.changed') continue;
    const { id, endedAt } = fact.data.row;
    if (endedAt === null) active.add(id);
    else active.delete(id);
    most = Math.max(most, active.size);
  }
  return most;
}

/** A second backend of the same program, and room for six agents. */
const two = {
  config: ({ backend, settings }: ScriptedAgent) => ({
    backends: { [`${backend}-two`]: settings },
    limits: { maxParallel: 6 },
  }),
};

scenario('C6 an emergency stop ends every turn, outlives a restart, and is undone by a thaw', two, async (world) => {
  const { play, backend } = world.agent;
  const slung = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) =>
      world.call('tasks.sling', {
        task: `Make ${name}. ${play({ write: { path: name, content: 'x' } }, { hold: 'go', text: 'end' })}`,
        project: world.project.root,
        backend: i < 3 ? backend : `${backend}-two`,
      }),
    ),
  );
  expect(slung.map(({ state }) => state)).toEqual(slung.map(() => 'assigned'));
  const first = await world.gantry(['estop', '-r', 'test', '--json']);
  expect(first.json()).toMatchObject({ isChanged: true });
  const calm = (await world.agent.requests()).length;
  const second = await world.gantry(['estop', '-r', 'again']);
  expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('test') });
  await world.down();
  await world.agent.release('go');
  await world.up();
  expect((await world.gantry(['status'])).stdout).toContain('emergency stop');
  const refused = await world.gantry(['sling', 'more', world.project.root]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('gantry thaw') });
  expect((await world.agent.requests()).length).toBe(calm);
  expect(await world.gantry(['thaw'])).toMatchObject({ code: 0 });
  for (const { requestId } of slung) expect((await world.over(requestId ?? 'req_')).state).toBe('done');
  for (const { taskId } of slung)
    expect(
      [...world.journal.view.attempts.values()].filter((a) => a.taskId === taskId && a.state === 'done'),
    ).toHaveLength(1);
});

scenario(
  'A6 a broadcast names everybody, reaches whoever has a session, and says where it did not',
  two,
  async (world) => {
    const { play, backend } = world.agent;
    const address = (name: string): string => `project/worker/${name}`;
    const done = await sling(world, `Be there. ${play({ text: 'here' })}`, '--name', 'gone');
    await world.over(done.requestId ?? 'req_');
    const work = `Work. ${play({ hold: 'go', run: 'true' }, { run: 'echo x > a' }, { text: 'end' })}`;
    const names = ['paused', 'one', 'two', 'three'];
    const live: Assignment[] = [];
    for (const name of names) {
      const on = name === 'three' ? `${backend}-two` : backend;
      live.push(await world.call('tasks.sling', { task: work, project: world.project.root, name, backend: on }));
    }
    expect((await world.gantry(['pause', live[0]?.requestId ?? ''])).code).toBe(0);
    // One of each agent: a program may write down what it was asked a moment after it took it.
    const asked = 1 + names.length;
    const countAsked = async (): Promise<number> => (await world.agent.requests()).length;
    await expect.poll(countAsked, { timeout: LIMIT_MS }).toBe(asked);
    const dry = (await world.gantry(['broadcast', 'all hands', '--dry-run', '--json'])).json() as {
      readonly receipts: readonly { readonly to: string; readonly state: string }[];
    };
    expect(dry.receipts.map(({ to, state }) => [to, state])).toEqual(
      ['gone', ...names].map((name) => [address(name), 'would-send']),
    );
    expect(await countAsked()).toBe(asked);
    expect((await world.call('messages.list', { all: 'true' })).items).toEqual([]);
    const sent = await world.gantry([
      'broadcast',
      'all hands',
      '--mode',
      'steer',
      '--ttl',
      '8s',
      '--wait',
      '60s',
      '--json',
    ]);
    expect(sent.code).toBe(1);
    expect(sent.json()).toMatchObject({
      summary: {
        delivered: ['one', 'two', 'three'].map(address),
        queued: [],
        failed: ['gone', 'paused'].map(address),
      },
    });
    const only = await world.gantry([
      'broadcast',
      'still there?',
      '--mode',
      'steer',
      '--live',
      '--wait',
      '60s',
      '--json',
    ]);
    expect(only).toMatchObject({ code: 0 });
    await world.agent.release('go');
    expect((await world.gantry(['resume', live[0]?.requestId ?? ''])).code).toBe(0);
    for (const { requestId } of live) await world.over(requestId ?? 'req_');
    const mine = (await world.call('messages.list', { agent: 'person' })).items as Message[];
    expect(mine.filter(({ kind, to }) => kind === 'broadcast' && to === 'person')).toEqual([]);
  },
);
