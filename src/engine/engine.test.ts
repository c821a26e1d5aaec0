import { describe, expect, it } from 'vitest';
import type { TestEngine } from '../../test/support/engine.ts';
import { bench, over, person, submit } from '../../test/support/engine-bench.ts';
import { systemClock } from '../base/clock.ts';
import type { RequestId } from '../contract/ids.ts';

type Work = {
  readonly id: string;
  readonly steps: readonly object[];
  readonly needs?: readonly string[];
  readonly check?: string;
  readonly files?: readonly string[];
};

/** A request whose planner's answer, and whose tasks' steps, are played by the fake agent. */
const requestFor = (tasks: readonly Work[]): string => {
  const plan = {
    tasks: tasks.map((t) => ({
      task_id: t.id,
      title: `Task ${t.id}`,
      description: `Do ${t.id}. @@fake ${JSON.stringify(t.steps)}`,
      files: t.files ?? [],
      success_criteria: t.check ? [{ text: `${t.id} is there`, command: t.check }] : [],
      dependencies: t.needs ?? [],
    })),
  };
  return `Make things. @@fake ${JSON.stringify([{ text: JSON.stringify(plan) }])}`;
};

const write = (path: string, content = 'x\n'): object => ({ write: { path, content } });

describe('a request', () => {
  it('is planned, carried out in dependency order, verified and collected on one branch', async () => {
    await using test = await bench();
    const text = requestFor([
      {
        id: 'T3',
        steps: [write('c.txt'), { text: 'made c' }],
        needs: ['T1', 'T2'],
        check: 'test -f a.txt && test -f b.txt && test -f c.txt',
      },
      { id: 'T1', steps: [write('a.txt'), { text: 'made a' }], check: 'test -f a.txt' },
      { id: 'T2', steps: [write('b.txt')], check: 'test -f b.txt' },
    ]);
    const request = await over(test, (await submit(test, test.repo.root, text)).id);
    expect(request).toMatchObject({ state: 'done', cause: null });
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['a.txt', 'b.txt', 'c.txt']);
    const tasks = test.store.read.tasks.list({ requestId: request.id });
    expect(test.store.read.attempts.list({ requestId: request.id }).map((a) => a.failure)).toEqual([null, null, null]);
    expect(tasks.map((t) => [t.label, t.state, t.attempts])).toEqual([
      ['T3', 'done', 1],
      ['T1', 'done', 1],
      ['T2', 'done', 1],
    ]);
    expect(tasks.find((t) => t.label === 'T1')?.result).toMatchObject({
      summary: 'made a',
      checks: [{ isMet: true, exitCode: 0 }],
    });
    expect(await test.repo.git(['show', `${request.branch}:c.txt`])).toBe('x');
    expect(await test.repo.git(['status', '--porcelain'])).toBe('');
    expect(await test.repo.git(['worktree', 'list'])).not.toContain('workspaces');
  });

  it('tells the agent what a check found, and takes the mended work', async () => {
    await using test = await bench();
    const text = requestFor([
      {
        id: 'T1',
        steps: [{ once: 'first', text: 'done!' }, write('a.txt'), { text: 'now it is' }],
        check: 'test -f a.txt',
        files: ['a.txt'],
      },
    ]);
    const request = await over(test, (await submit(test, test.repo.root, text)).id);
    expect(request.state).toBe('done');
  });
});

const single = (steps: readonly object[]): string => `Do it. @@fake ${JSON.stringify(steps)}`;
const one = { isSingleTask: true };

const taskOf = (test: TestEngine, id: RequestId) => {
  const task = test.store.read.tasks.list({ requestId: id })[0];
  if (!task) throw new Error('the request has no task yet');
  return task;
};
const pending = (test: TestEngine) =>
  test.until('an approval', () => test.store.read.approvals.list({ state: 'pending' })[0]);

describe('an attempt', () => {
  it('goes on in the same workspace and conversation when its agent program is killed', async () => {
    await using test = await bench();
    const steps = [write('a.txt'), { once: 'boom', kill: 'SIGKILL' }, write('b.txt'), { text: 'both' }];
    const request = await over(test, (await submit(test, test.repo.root, single(steps), one)).id);
    expect(request.state).toBe('done');
    const attempts = test.store.read.attempts.list({ requestId: request.id });
    expect(attempts.map((a) => [a.state, a.workspace === attempts[0]?.workspace])).toEqual([
      ['failed', true],
      ['done', true],
    ]);
    expect(attempts[0]?.failure?.class).toBe('crash');
    expect(test.store.read.sessions.list({}).map((s) => s.nativeId)).toHaveLength(1);
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['a.txt', 'b.txt']);
    const alerts = test.store.journal.since(0, { kinds: ['alert.opened', 'alert.closed'], limit: 10 }).facts;
    expect(alerts.map((f) => f.kind)).toEqual(['alert.opened', 'alert.closed']);
  });

  it('is not ended for being slow: its silence is reported once, and taken back when it speaks', async () => {
    const fake = { config: { heartbeatMs: 50 } };
    await using test = await bench({ fake, limits: { stuckAfter: 200, hungAfter: 20_000 } });
    const { id } = await submit(test, test.repo.root, single([{ hold: 'speak' }, write('a.txt')]), one);
    await test.until('the report', () => test.engine.queries.alerts().find((a) => a.key.startsWith('stuck:')));
    await test.release('speak');
    expect((await over(test, id)).state).toBe('done');
    expect(taskOf(test, id).attempts).toBe(1);
    expect(test.engine.queries.alerts()).toEqual([]);
  });

  it('is taken over when its program stops answering, with the evidence', async () => {
    const fake = { config: { heartbeatMs: 50 } };
    await using test = await bench({ fake, limits: { hungAfter: 1_000 } });
    const steps = [write('a.txt'), { once: 'freeze', kill: 'SIGSTOP' }, write('b.txt')];
    const request = await over(test, (await submit(test, test.repo.root, single(steps), one)).id);
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['a.txt', 'b.txt']);
    const [first] = test.store.read.attempts.list({ requestId: request.id });
    expect(first?.failure?.message).toMatch(/no sign of life for 1 s/);
  });

  it('waits for a person at the cap, and a retry of the person succeeds', async () => {
    await using test = await bench({ limits: { maxAttempts: 2 } });
    const steps = [
      { once: 'one', fail: { message: 'model broke' } },
      { once: 'two', fail: { message: 'again' } },
      write('a.txt'),
    ];
    const { id } = await submit(test, test.repo.root, single(steps), one);
    const failed = await over(test, id);
    expect(failed.state).toBe('failed');
    expect(taskOf(test, id)).toMatchObject({ state: 'waiting', attempts: 2 });
    expect(test.engine.queries.alerts()).toHaveLength(1);
    await test.engine.retry(id, undefined, person);
    expect((await over(test, id)).state).toBe('done');
    expect(test.engine.queries.alerts()).toEqual([]);
  });

  it('is cancelled in the middle of a turn, and nothing of it goes on', async () => {
    await using test = await bench();
    const { id } = await submit(test, test.repo.root, single([write('a.txt'), { hold: 'never' }]), one);
    await test.until('the file', () => test.store.journal.since(0, { kinds: ['tool.ended'], limit: 1 }).facts[0]);
    await test.engine.cancel(id, 'no longer wanted', person);
    const request = test.store.read.requests.need(id);
    expect(request).toMatchObject({ state: 'cancelled', cause: 'no longer wanted' });
    expect(taskOf(test, id).state).toBe('cancelled');
    expect(test.store.read.attempts.list({ requestId: id }).map((a) => a.state)).toEqual(['cancelled']);
    expect(test.store.read.sessions.list({}).map((s) => s.state)).toEqual(['stopped']);
  });

  it('is paused and goes on with the same conversation', async () => {
    await using test = await bench();
    const steps = [write('a.txt'), { once: 'wait', hold: 'never' }, write('b.txt')];
    const { id } = await submit(test, test.repo.root, single(steps), one);
    await test.until('the file', () => test.store.journal.since(0, { kinds: ['tool.ended'], limit: 1 }).facts[0]);
    await test.engine.pause(id, undefined, person);
    expect(test.store.read.sessions.list({}).map((s) => s.state)).toEqual(['paused']);
    await test.engine.resume(id, undefined, person);
    const request = await over(test, id);
    expect(request.state).toBe('done');
    expect(test.store.read.attempts.list({ requestId: id }).map((a) => a.resumes)).toEqual([1]);
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['a.txt', 'b.txt']);
  });

  it('is cancelled while it is paused: its session ends, and its agent is free', async () => {
    await using test = await bench();
    const { id } = await submit(test, test.repo.root, single([write('a.txt'), { hold: 'never' }]), one);
    await test.until('the file', () => test.store.journal.since(0, { kinds: ['tool.ended'], limit: 1 }).facts[0]);
    await test.engine.pause(id, undefined, person);
    await test.engine.cancel(id, undefined, person);
    expect(test.store.read.sessions.list({}).map((s) => s.state)).toEqual(['stopped']);
    expect(test.store.read.agents.list({}).map((a) => [a.state, a.attemptId])).toEqual([['idle', null]]);
  });

  it('asks a person for what no rule allows: allowed once it runs, denied the agent is told why', async () => {
    await using test = await bench();
    const steps = [
      { run: { command: 'touch yes.txt' } },
      { run: { command: 'touch no.txt' } },
      { text: '{{lastToolOutput}}' },
    ];
    const { id } = await submit(test, test.repo.root, single(steps), one);
    const first = await pending(test);
    expect(first.subject).toMatchObject({ type: 'permission', call: { tool: 'bash', command: 'touch yes.txt' } });
    test.engine.decide(first.id, { type: 'allow', scope: 'once', expiresAt: null }, person);
    const second = await pending(test);
    expect(() => test.engine.decide(second.id, { type: 'deny', reason: 'x' }, { ...person, agent: 'a/b/c' })).toThrow(
      /agent cannot answer/,
    );
    test.engine.decide(second.id, { type: 'deny', reason: 'Not that file.' }, person);
    expect(() => test.engine.decide(second.id, { type: 'allow', scope: 'once', expiresAt: null }, person)).toThrow(
      /denied already, by person/,
    );
    const request = await over(test, id);
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['yes.txt']);
    expect(taskOf(test, id).result?.summary).toContain('Not that file.');
  });

  it('denies what nobody answers in time, with the reason', async () => {
    await using test = await bench({ limits: { approvalTimeout: 50 } });
    const { id } = await submit(
      test,
      test.repo.root,
      single([{ run: { command: 'touch x' } }, { text: '{{lastToolOutput}}' }]),
      one,
    );
    await over(test, id);
    expect(test.store.read.approvals.list({}).map((a) => [a.state, a.decidedBy])).toEqual([['expired', 'deadline']]);
    expect(taskOf(test, id).result?.summary).toContain('Nobody answered');
  });

  it('gets a message that was sent to its agent once, and the receipts say so', async () => {
    await using test = await bench();
    const { id } = await submit(test, test.repo.root, single([{ hold: 'go', text: 'first' }]), one);
    const agent = await test.until('the agent', () => test.store.read.agents.list({})[0]);
    await test.until('the turn', () => test.store.read.tasks.list({ state: 'working' })[0]);
    const message = test.engine.send({ to: agent.id, text: 'also this', mode: 'next-turn' }, person);
    await test.release('go');
    await over(test, id);
    expect(test.store.read.messages.need(message.id).state).toBe('seen');
    const prompts = test.store.read.attempts.list({ requestId: id }).flatMap((a) => a.prompts);
    expect(prompts.filter((p) => p.text.includes('also this')).map((p) => p.kind)).toEqual(['message']);
  });

  it('gets a message with its next prompt if the one that carried it was refused', async () => {
    await using test = await bench({ limits: { maxAttempts: 1 } });
    const finished = async (steps: readonly object[]): Promise<string> =>
      (await over(test, (await submit(test, test.repo.root, single(steps), one)).id)).state;
    expect(await finished([{ text: 'first' }])).toBe('done');
    const [agent] = test.store.read.agents.list({});
    const message = test.engine.send({ to: agent?.id ?? '', text: 'also this', mode: 'next-turn' }, person);
    const stateNow = (): string => test.store.read.messages.need(message.id).state;
    expect(await finished([{ refuse: { message: 'not now' } }])).toBe('failed');
    expect(stateNow()).toBe('queued');
    expect(await finished([{ text: 'last' }])).toBe('done');
    expect(stateNow()).toBe('seen');
  });
});

describe('a restart', () => {
  it('brings back what was under way: no prompt is given twice, the approval is still there', async () => {
    await using test = await bench();
    const steps = [write('a.txt'), { run: { command: 'touch b.txt' } }, { text: 'end' }];
    const { id } = await submit(test, test.repo.root, single(steps), one);
    const asked = await pending(test);
    await test.restart();
    expect(test.store.read.approvals.need(asked.id).state).toBe('pending');
    test.engine.decide(asked.id, { type: 'allow', scope: 'once', expiresAt: null }, person);
    const request = await over(test, id);
    expect(request.state).toBe('done');
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['a.txt', 'b.txt']);
    const given = (await test.agentLog()).filter((line) => line.kind === 'prompt' && line.text?.includes('Do it.'));
    expect(new Set(given.map((line) => line.promptId)).size).toBe(1);
  });

  it('does not count the time in which no daemon ran against limits, of attempts or of questions', async () => {
    let slept = 0;
    const clock = { now: () => systemClock.now() + slept, after: systemClock.after };
    await using test = await bench({ clock });
    const { id } = await submit(
      test,
      test.repo.root,
      single([{ run: { command: 'touch b.txt' } }, { text: 'end' }]),
      one,
    );
    const asked = await pending(test);
    const [attempt] = test.store.read.attempts.list({ requestId: id });
    await test.restart(() => {
      slept = 72 * 3_600_000;
    });
    const again = test.store.read.approvals.need(asked.id);
    expect(again.state).toBe('pending');
    expect(again.expiresAt).toBeGreaterThan(clock.now());
    expect(test.store.read.attempts.need(attempt?.id ?? '').deadlineAt).toBeGreaterThan(clock.now());
    test.engine.decide(asked.id, { type: 'allow', scope: 'once', expiresAt: null }, person);
    expect((await over(test, id)).state).toBe('done');
  });
});
