import { describe, expect } from 'vitest';
import type { Merge } from '../../src/contract/merge.ts';
import type { Request } from '../../src/contract/request.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

const mergeIn = (world: World, { id }: Pick<Request, 'id'>, ...states: readonly Merge['state'][]): Promise<Merge> =>
  world.until(`the merge of ${id} ${states.join(' or ')}`, ({ merges }) =>
    [...merges.values()].find(({ requestId, state }) => requestId === id && states.includes(state)),
  );

const branches = async (world: World): Promise<string[]> =>
  (await world.project.git(['for-each-ref', '--format=%(refname:short)', 'refs/heads/'])).split('\n');

const onTarget = async (world: World, ...args: readonly string[]): Promise<string> =>
  world.project.git([...args], world.project.remote);

/** Tasks without a script of their own, such as the repair of a conflict, do this. */
const resolving = ({ play }: ScriptedAgent) => ({
  worker: { prompt: `You work. ${play({ hold: 'resolve', run: 'echo both > same.txt' }, { text: 'resolved' })}` },
});

describe('the merge queue (D1)', () => {
  scenario(
    'brings in three of five, names the one that breaks the gate, and gives a conflict back with its files',
    {
      not: { real: 'one conflict of its own is below' },
      config: (agent) => ({
        roles: resolving(agent),
        limits: { maxParallel: 6 },
        merge: {
          isAuto: true,
          remote: 'origin',
          target: 'main',
          batchWait: 0,
          gates: [{ name: 'check', command: 'test ! -e bad.txt || { echo bad things; exit 3; }' }],
        },
      }),
    },
    async (world) => {
      const files = ['a.txt', 'b.txt', 'bad.txt', 'same.txt', 'same.txt'];
      const write = (path: string, content: string, merge?: 'local'): Promise<Request> =>
        world.submitOne([{ hold: 'go', write: { path, content } }, { text: 'made' }], merge && { merge });
      const requests: Request[] = [];
      for (const [i, path] of files.entries()) requests.push(await write(path, `${i}\n`));
      const kept = await write('kept.txt', 'kept\n', 'local');
      // All begin on the same commit.
      await world.until(
        'six at work',
        ({ tasks }) => [...tasks.values()].filter(({ state }) => state === 'working').length === 6,
      );
      await world.agent.release('go');
      const [a, b, bad, one, two] = requests as [Request, Request, Request, Request, Request];
      const conflict = await world.until('the conflict', ({ merges }) =>
        [...merges.values()].find(({ state }) => state === 'conflict'),
      );
      const first = conflict.requestId === one.id ? two : one;
      for (const request of [a, b, first]) await mergeIn(world, request, 'merged');
      const red = await mergeIn(world, bad, 'rejected');
      expect(red.gate).toMatchObject({ name: 'check', exitCode: 3, output: 'bad things\n' });
      expect((await world.gantry(['explain', red.id])).stdout).toContain('bad things');
      const page = (await world.gantry(['show', red.id])).stdout;
      expect(page).toMatch(/state +rejected[\s\S]*gate check: .*exit code 3[\s\S]*bad things[\s\S]*merging → rejected/);
      const whole = (await world.gantry(['show', conflict.id, '--json'])).json() as { story: { to: string }[] };
      expect(whole).toMatchObject({ id: conflict.id, conflicts: ['same.txt'], repairId: conflict.repairId });
      expect(whole.story.map(({ to }) => to)).toEqual(expect.arrayContaining(['queued', 'conflict']));
      expect(conflict).toMatchObject({ conflicts: ['same.txt'], cause: expect.stringContaining('same.txt') });
      const repair = await world.task(conflict.repairId ?? 'req_', 'T1', 'working');
      expect(repair.description).toContain('same.txt');
      // What is asked of models is the tasks, and the repair: merging asks nobody.
      const before = (await world.agent.requests()).length;
      expect(before).toBeLessThanOrEqual(6 * 2 + 1);

      await world.agent.release('resolve');
      await mergeIn(world, { id: conflict.requestId }, 'merged');
      expect(await onTarget(world, 'show', 'main:same.txt')).toBe('both');
      for (const commit of (await onTarget(world, 'rev-list', '--first-parent', 'main')).split('\n')) {
        expect(await onTarget(world, 'ls-tree', '--name-only', commit)).not.toMatch(/bad\.txt|kept\.txt|<<</);
      }
      expect(world.journal.view.merges.size).toBe(5);
      await world.over(kept.id);
      const left = await branches(world);
      expect(left).toEqual(expect.arrayContaining([bad.branch, kept.branch]));
      for (const { branch } of [a, b, one, two]) expect(left).not.toContain(branch);
      expect((await world.gantry(['merge', 'ls', '--json'])).json()).toHaveLength(5);
    },
  );

  scenario(
    'gives a conflict to an agent, and merges what it makes of both sides',
    {
      not: { fake: 'it is a part of the one above', opencode: 'the way of it is the same as on claude' },
      config: (agent) => ({ roles: resolving(agent), merge: { isAuto: true, target: 'main', batchWait: 0 } }),
    },
    async (world) => {
      const write = (content: string): Promise<Request> =>
        world.submitOne([{ hold: 'go', run: `echo ${content} > same.txt` }, { text: 'made' }]);
      const both = [await write('one'), await write('two')];
      for (const { id } of both) await world.task(id, 'T1', 'working');
      await world.agent.release('go');
      const conflict = await world.until('the conflict', ({ merges }) =>
        [...merges.values()].find(({ state }) => state === 'conflict'),
      );
      expect(conflict.conflicts).toEqual(['same.txt']);
      await world.agent.release('resolve');
      for (const request of both) await mergeIn(world, request, 'merged');
      expect(await world.project.git(['show', 'main:same.txt'])).toBe('both');
      // As it was before, for whatever comes next.
      await world.project.git(['reset', '--hard', '--quiet', 'origin/main']);
    },
  );
});

describe('the review gate (D2)', () => {
  const reviewed = {
    config: ({ play }: ScriptedAgent) => ({
      merge: { isAuto: true, target: 'main', approvals: 2, reviewRole: 'reviewer', reviewTimeout: 60_000 },
      roles: {
        reviewer: {
          isReadOnly: true,
          prompt: `You judge. ${play({ hold: 'judge', text: '{"verdict":"approve","text":"reads well"}' })}`,
        },
      },
    }),
  };

  scenario('lets in what a panel of two approves, each by its name, and frees its places', reviewed, async (world) => {
    const request = await world.submitOne([{ run: 'echo a > a.txt' }, { text: 'made' }]);
    const merge = await mergeIn(world, request, 'reviewing');
    const [author] = merge.authors;
    await world.until(
      'two reviewers at work',
      ({ tasks }) =>
        [...tasks.values()].filter(({ role, state }) => role === 'reviewer' && state === 'working').length === 2,
    );
    await world.agent.release('judge');
    const merged = await mergeIn(world, request, 'merged');
    expect(merged.reviews.map(({ by, verdict, text }) => [by, verdict, text]).toSorted()).toEqual([
      ['project/reviewer/reviewer-1', 'approve', 'reads well'],
      ['project/reviewer/reviewer-2', 'approve', 'reads well'],
    ]);
    expect(merged.reviews.map(({ by }) => by)).not.toContain(author);
    await world.until('free places', ({ agents }) => [...agents.values()].every(({ state }) => state === 'idle'));
    expect(await world.project.git(['show', 'main:a.txt'])).toBe('a');
    await world.project.git(['reset', '--hard', '--quiet', 'origin/main']);
  });

  scenario(
    'keeps out what one of two is silent about, and refuses the author’s own word',
    {
      not: { real: 'the program has no part in it' },
      config: (agent) => {
        const { merge, roles } = reviewed.config(agent);
        return { roles, merge: { ...merge, reviewers: 1, reviewTimeout: 8_000 } };
      },
    },
    async (world) => {
      const request = await world.submitOne([
        { run: `printf '%s %s' "$GANTRY_URL" "$GANTRY_TOKEN" > identity.txt` },
        { text: 'made' },
      ]);
      const merge = await mergeIn(world, request, 'reviewing');
      const identity = await world.project.git(['show', `${request.branch}:identity.txt`]);
      const [url, token] = identity.split(' ');
      const env = { GANTRY_URL: String(url), GANTRY_TOKEN: String(token) };
      const approve = ['merge', 'review', merge.id, 'approve'];
      const [own, by] = await Promise.all([world.gantry(approve, { env }), world.gantry(approve)]);
      expect(own).toMatchObject({ code: 3, stdout: '' });
      expect(by.code).toBe(0);
      const rejected = await mergeIn(world, request, 'rejected');
      expect(rejected.cause).toBe('1 of 2 approvals came in time: no answer counts as changes');
      expect(rejected.reviews.map(({ by }) => by)).toEqual(['person']);
      await world.until('free places', ({ agents }) => [...agents.values()].every(({ state }) => state === 'idle'));
      expect(await world.project.git(['rev-list', '--count', 'main'])).toBe('1');
    },
  );
});
