import { describe, expect, it } from 'vitest';
import { type Bench, bench, over, person, submit } from '../../../test/support/engine-bench.ts';
import type { Assignment } from '../../contract/agent-operations.ts';
import type { ParsedInputOf } from '../../contract/api.ts';

const play = (...steps: readonly object[]): string => `Do it. @@fake ${JSON.stringify(steps)}`;
const write = (path: string): object => ({ write: { path, content: 'x' } });

const NO_FLAGS = { isReviewOnly: false, isDryRun: false, isForced: false, isDirtyAllowed: false };

const sling = (
  test: Bench,
  task: string,
  more: Partial<ParsedInputOf<'tasks.sling'>> = {},
  caller = person,
): Promise<Assignment> => test.engine.sling({ task, project: test.repo.root, after: [], ...NO_FLAGS, ...more }, caller);

const finished = async (test: Bench, { requestId }: Assignment): Promise<string> =>
  (await over(test, requestId ?? 'req_')).state;

/** Everything that a dry run must leave alone. */
const everything = (test: Bench): string => {
  const { read } = test.store;
  return JSON.stringify([read.projects.list({}), read.requests.list({}), read.tasks.list({}), read.agents.list({})]);
};

describe('a text that is slung', () => {
  it('becomes a task of the agent that is named, who is made for it', async () => {
    await using test = await bench();
    const made = await sling(test, play({ hold: 'go', ...write('a') }), {
      name: 'bob',
      priority: 0,
      isolation: 'sandbox',
    });
    expect(made).toMatchObject({ state: 'assigned', agent: 'project/worker/bob', position: null, backend: 'fake' });
    expect(made.workspace).toContain(made.taskId ?? '?');
    expect(test.store.read.requests.need(made.requestId ?? '').options.isolation).toBe('sandbox');
    expect(test.store.read.attempts.need(made.attemptId ?? '').isolation).toBe('sandbox');
    const row = (await test.engine.queries.agents({ agent: 'bob' }))[0];
    expect(row).toMatchObject({ name: 'bob', task: made.taskId, request: made.requestId });
    await test.release('go');
    expect(await finished(test, made)).toBe('done');
  });

  it('waits in the queue for an agent that is busy, and for the tasks that it comes after', async () => {
    await using test = await bench();
    const one = await sling(test, play({ hold: 'go', ...write('a') }), { name: 'bob' });
    const two = await sling(test, play(write('b')), { name: 'bob' });
    expect(two).toMatchObject({ state: 'queued', position: 1, cause: `project/worker/bob has ${one.taskId}` });
    const three = await sling(test, play(write('c')), { after: [two.taskId ?? 'tsk_'] });
    expect(three).toMatchObject({ state: 'blocked', cause: expect.stringContaining(two.taskId ?? '?') });
    expect(test.engine.queries.queue(undefined).map((r) => [r.taskId, r.position])).toEqual([
      [two.taskId, 1],
      [three.taskId, null],
    ]);
    await test.release('go');
    expect(await Promise.all([one, two, three].map((s) => finished(test, s)))).toEqual(['done', 'done', 'done']);
  });

  it('changes nothing in a dry run, which says who would get it; a project is not even registered', async () => {
    await using test = await bench();
    const before = everything(test);
    const would = await sling(test, play(write('a')), { isDryRun: true });
    expect(would).toMatchObject({ state: 'dry-run', taskId: null, agent: 'project/worker/worker-1', backend: 'fake' });
    expect(everything(test)).toBe(before);
  });

  it.each<[string, string, Partial<ParsedInputOf<'tasks.sling'>>, RegExp]>([
    ['looks like a flag', '--force', {}, /looks like a flag/],
    ['names no role', 'x', { role: 'boss' }, /no role boss; accepted: lead, worker, reviewer/],
    ['names no backend', 'x', { backend: 'cursor' }, /no backend cursor; accepted: fake/],
    ['names a second agent of a role that has one', 'x', { role: 'lead', name: 'bob' }, /has one agent/],
    ['starts from a branch that there is not', 'x', { baseBranch: 'HEAD' }, /no branch HEAD in/],
    [
      'is a review by a role that writes',
      'x',
      { isReviewOnly: true, role: 'worker' },
      /worker is not read-only.*reviewer/,
    ],
    ['is a review that is to be merged', 'x', { isReviewOnly: true, merge: 'queue' }, /nothing that could be merged/],
    ['comes after what there is not', 'x', { after: ['tsk_000000000'] }, /there is no task tsk_000000000/],
    ['is for a project that there is not', 'x', { project: 'nowhere' }, /no project nowhere/],
  ])('is refused if it %s, and nothing is changed', async (_, text, more, message) => {
    await using test = await bench();
    const before = everything(test);
    await expect(sling(test, text, more)).rejects.toThrow(message);
    expect(everything(test)).toBe(before);
  });

  it('is refused to an agent whose role may not assign', async () => {
    await using test = await bench();
    const caller = { actor: 'agent:project/worker/w', scope: 'read', agent: 'project/worker/w' } as const;
    await expect(sling(test, 'x', {}, caller)).rejects.toThrow(/may not assign/);
  });

  it('is not put into the merge queue by an agent that may assign', async () => {
    await using test = await bench({ roles: { lead: { may: ['assign'] } } });
    const caller = { actor: 'agent:project/lead/-', scope: 'read', agent: 'project/lead/-' } as const;
    await expect(sling(test, 'x', { merge: 'queue' }, caller)).rejects.toThrow(/a person does: gantry merge add/);
  });

  it('starts from the branch that is named and stays on its own', async () => {
    await using test = await bench();
    await test.repo.git(['branch', 'release']);
    const release = (await test.repo.git(['rev-parse', 'release'])).trim();
    await test.repo.write('later.txt', 'x');
    await test.repo.commit('later');
    const flags = { baseBranch: 'release', merge: 'local' } as const;
    const would = await sling(test, play(write('a')), { ...flags, isDryRun: true });
    const made = await sling(test, play(write('a')), flags);
    expect(would.notices).toEqual([
      `it starts from release, at ${release.slice(0, 10)}`,
      'when it is done it stays on its branch',
    ]);
    expect(await finished(test, made)).toBe('done');
    const { baseCommit, options, result } = test.store.read.requests.need(made.requestId ?? '');
    expect([baseCommit, options.merge]).toEqual([release, 'local']);
    expect((await test.repo.git(['ls-tree', '--name-only', result?.branch ?? ''])).split('\n')).not.toContain(
      'later.txt',
    );
  });

  it('that is a review goes to a role that only reads, and what it would write is denied', async () => {
    await using test = await bench();
    const made = await sling(test, play(write('a'), { text: 'Looks good.' }), { isReviewOnly: true });
    expect(made).toMatchObject({ state: 'assigned', role: 'reviewer' });
    expect(await finished(test, made)).toBe('done');
    expect(test.store.read.requests.need(made.requestId ?? '').result).toMatchObject({
      branch: null,
      filesChanged: [],
    });
  });
});

describe('a task that is slung again', () => {
  it('is left to the same agent, refused to another one, and taken away by force', async () => {
    await using test = await bench();
    const one = await sling(test, play({ once: 'first', hold: 'go', text: 'x' }, write('a')), { name: 'bob' });
    await test.until('the turn', () => test.store.read.tasks.list({ state: 'working' })[0]);
    const id = one.taskId ?? '';
    await expect(sling(test, id, { isolation: 'container' })).rejects.toThrow(
      /has what its request was given; for a text only: isolation/,
    );
    expect(await sling(test, id, { name: 'bob' })).toMatchObject({ state: 'unchanged', agent: 'project/worker/bob' });
    await expect(sling(test, id, { name: 'eve' })).rejects.toThrow(
      /project\/worker\/bob holds .* project --name eve --force/,
    );
    const before = everything(test);
    expect(await sling(test, id, { name: 'bob', isDryRun: true })).toMatchObject({ state: 'unchanged' });
    await expect(sling(test, id, { name: 'eve', isDryRun: true })).rejects.toThrow(/project\/worker\/bob holds/);
    expect(everything(test)).toBe(before);
    const taken = await sling(test, id, { name: 'eve', isForced: true });
    expect(taken).toMatchObject({ agent: 'project/worker/eve', taskId: id });
    await test.release('go');
    expect(await finished(test, one)).toBe('done');
    const attempts = test.store.read.attempts.list({ taskId: taken.taskId ?? 'tsk_' });
    expect(attempts.map((a) => [a.state, a.agent])).toEqual([
      ['superseded', 'project/worker/bob'],
      ['done', 'project/worker/eve'],
    ]);
    for (const isDryRun of [true, false])
      await expect(sling(test, id, { isForced: true, isDryRun })).rejects.toThrow(/a closed task is not opened again/);
  });
});

describe('an emergency stop', () => {
  it('ends running turns, lets nothing start, survives a restart; after it the same attempt goes on', async () => {
    await using test = await bench();
    const one = await sling(test, play(write('a'), { hold: 'go', ...write('b') }), { name: 'bob' });
    await test.until('the turn', () => test.store.read.tasks.list({ state: 'working' })[0]);
    const first = await test.engine.estop({ reason: 'test', keep: [] }, person);
    expect(first).toMatchObject({ isChanged: true, stops: [{ reason: 'test', project: null }] });
    expect(await test.engine.estop({ reason: 'other', keep: [] }, person)).toMatchObject({
      isChanged: false,
      stops: [{ reason: 'test' }],
    });
    expect(test.store.read.sessions.list({}).map((s) => s.state)).toEqual(['paused']);
    await test.restart();
    await test.release('go');
    await expect(sling(test, play(write('c')))).rejects.toThrow(/emergency stop by person: test.*gantry thaw/);
    expect(test.store.read.sessions.list({}).map((s) => s.state)).toEqual(['paused']);
    expect(test.engine.thaw({}, person)).toMatchObject({ isChanged: true, stops: [] });
    expect(await finished(test, one)).toBe('done');
    expect(test.store.read.attempts.list({}).map((a) => a.state)).toEqual(['done']);
    expect(test.engine.thaw({}, person).isChanged).toBe(false);
  });

  it('that ends while turns still end lets them go on when they have', async () => {
    await using test = await bench();
    const one = await sling(test, play({ hold: 'go', ...write('a') }), { name: 'bob' });
    await test.until('the turn', () => test.store.read.tasks.list({ state: 'working' })[0]);
    const stopping = test.engine.estop({ reason: 'test', keep: [] }, person);
    test.engine.thaw({}, person);
    await stopping;
    await test.release('go');
    expect(await finished(test, one)).toBe('done');
    expect(test.store.read.attempts.list({}).map((a) => [a.state, a.resumes])).toEqual([['done', 1]]);
  });

  it('that ends while an agent that stands by still ends lets it stand by again', async () => {
    await using test = await bench();
    const { sessionId } = await test.engine.agents.start({ agent: 'w1', directory: test.repo.root }, person);
    const stopping = test.engine.estop({ reason: 'test', keep: [] }, person);
    test.engine.thaw({}, person);
    await stopping;
    await test.until('another life', () => {
      const { state, activity } = test.store.read.sessions.need(sessionId);
      return state === 'running' && activity === 'idle';
    });
  });

  it('ends a prompt that is given outside of any plan and refuses the next one, and no plan is begun', async () => {
    await using test = await bench({ policy: { default: 'allow', rules: [] } });
    const directory = test.repo.root;
    const ask = () => test.engine.exec({ prompt: play({ hold: 'go', text: 'x' }), directory, timeoutMs: 60_000 });
    const waiting = await submit(test, directory, `Plan. ${play({ hold: 'go', text: 'x' })}`);
    const inTurn = (count: number) =>
      test.until('the turns', () => test.store.journal.since(0, { kinds: ['turn.started'] }).facts.length === count);
    await inTurn(1);
    await test.engine.pause(waiting.id, undefined, person);
    const { sessionId } = await ask();
    await inTurn(2);
    await test.engine.estop({ project: 'project', reason: 'test', keep: [] }, person);
    const ended = { state: 'failed', failure: { message: expect.stringContaining('emergency stop by person: test') } };
    expect(await test.engine.execResult(sessionId, 0)).toMatchObject(ended);
    await expect(ask()).rejects.toThrow(/emergency stop/);
    await test.engine.resume(waiting.id, undefined, person);
    await test.restart();
    expect(test.store.read.requests.need(waiting.id).state).toBe('planning');
    expect(test.store.journal.since(0, { kinds: ['turn.started'] }).facts).toHaveLength(2);
    test.engine.thaw({}, person);
    await inTurn(3);
    await test.engine.cancel(waiting.id, undefined, person);
  });

  it('of one project leaves the others, and agents that are kept, alone', async () => {
    await using test = await bench();
    const one = await sling(test, play({ hold: 'go', ...write('a') }), { name: 'bob' });
    const two = await sling(test, play({ hold: 'go', ...write('b') }), { name: 'eve' });
    await test.until('both turns', () => test.store.read.tasks.count({ state: 'working' }) === 2);
    await test.engine.estop({ project: 'project', reason: 'test', keep: ['eve'] }, person);
    await test.release('go');
    expect(await finished(test, two)).toBe('done');
    expect(test.store.read.requests.need(one.requestId ?? '').state).toBe('running');
    test.engine.thaw({ project: 'project' }, person);
    expect(await finished(test, one)).toBe('done');
  });
});
