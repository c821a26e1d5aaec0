import { describe, expect, it } from 'vitest';
import { type Bench, bench, over, person, submit, submitSteps } from '../../../test/support/engine-bench.ts';
import { addUsage, NO_USAGE } from '../../contract/usage.ts';
import { openAlert } from '../alerts.ts';
import { type Line, noRoom, overrun } from './budget.ts';
import { priced } from './prices.ts';

const line = (over: Partial<Line>): Line => ({
  key: 'task:tsk_1:usd',
  what: 'task',
  kind: 'usd',
  limit: 1,
  spent: 0,
  reserved: 0,
  ...over,
});

describe('a limit', () => {
  it('is crossed by more than it, and the first one that is crossed is told', () => {
    expect(overrun([line({ spent: 1 })])).toBeNull();
    const found = overrun([line({ spent: 0.5 }), line({ what: 'day', kind: 'tokens', limit: 100, spent: 101 })]);
    expect(found?.failure).toMatchObject({
      class: 'budget',
      message: 'the day has cost 101 tokens, its limit is 100 tokens',
    });
  });

  it('lets nothing begin when it is used up, or when running work may use it up', () => {
    expect(noRoom([line({ spent: 0.9 })])).toBeNull();
    expect(noRoom([line({ spent: 0.5, reserved: 0.5 })])).toMatch(
      /\$0\.5 of the task's \$1 are spent and \$0\.5 are reserved/,
    );
    expect(noRoom([line({ kind: 'attempts', limit: 3, spent: 3 })])).toMatch(/3 attempts of the task's 3 attempts/);
  });
});

describe('a price', () => {
  const prices = {
    date: '2026-01-31',
    source: 'a price list',
    models: { 'a/b': { input: 3, output: 15, cacheRead: 0.3 } },
  };
  const usage = { ...NO_USAGE, inputTokens: 1_000, outputTokens: 100, reasoningTokens: 100, cacheReadTokens: 10_000 };

  it('is worked out for a model of the table, unless the agent program reported one', () => {
    expect(priced(usage, 'a/b', prices).costUsd).toBeCloseTo(0.009);
    expect(priced({ ...usage, costUsd: 1 }, 'a/b', prices).costUsd).toBe(1);
  });

  it('comes from the built-in table where the configuration has none, and its source and date are told', () => {
    const listed = priced(usage, 'anthropic/claude-sonnet-4-5', null);
    expect(listed).toMatchObject({ costUsd: expect.closeTo(0.009), pricedBy: 'models.dev, 2026-09-28' });
    const own = { ...prices, models: { 'anthropic/claude-sonnet-4-5': { input: 0, output: 10 } } };
    const configured = priced(usage, 'anthropic/claude-sonnet-4-5', own);
    expect(configured).toMatchObject({ costUsd: expect.closeTo(0.002), pricedBy: 'a price list, 2026-01-31' });
    expect(addUsage(configured, addUsage(listed, listed)).pricedBy).toBe(
      'a price list, 2026-01-31; models.dev, 2026-09-28',
    );
    expect(addUsage(configured, usage)).toEqual(expect.not.objectContaining({ pricedBy: expect.anything() }));
  });

  it('of a model that is in no table stays unknown, never 0', () => {
    expect(priced(usage, 'a/c', prices).costUsd).toBeNull();
    expect(priced(usage, null, prices).costUsd).toBeNull();
  });
});

const spends = (inputTokens: number): object => ({ usage: { inputTokens } });
const pending = (test: Bench) =>
  test.until('the approval', () => test.store.read.approvals.list({ state: 'pending' })[0]);

describe('work over its budget', () => {
  it('is interrupted between two steps, keeps what it did, and goes on as the same task when a person raises the limit', async () => {
    await using test = await bench({ budgets: { task: { tokens: 100 } } });
    const write = (path: string): object => ({ write: { path, content: 'x' } });
    const { id } = await submitSteps(test, [
      { ...write('a'), ...spends(60) },
      { ...write('b'), ...spends(60) },
      { hold: 'never', ...write('c'), ...spends(1) },
      { text: 'end' },
    ]);
    const asked = await pending(test);
    expect(asked).toMatchObject({ nativeId: expect.stringMatching(/^gantry:budget:task:tsk_\w+:tokens$/) });
    const limit = { scope: 'task', requestId: id, kind: 'tokens', limit: 100, spent: 120, reserved: 0 };
    expect(test.engine.queries.budgets()).toEqual([expect.objectContaining(limit)]);
    const [task] = test.store.read.tasks.list({ requestId: id });
    expect(task).toMatchObject({ state: 'deferred', cause: expect.stringContaining(`gantry approve ${asked.id}`) });
    await test.until('the end of the session', () => test.store.read.sessions.list({})[0]?.state === 'paused');
    await test.restart();
    await test.release('never');
    test.engine.decide(asked.id, { type: 'allow', scope: 'once', expiresAt: null }, person);
    expect(test.engine.queries.budgets()).toEqual([expect.objectContaining({ ...limit, limit: 200 })]);
    const request = await over(test, id);
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['a', 'b', 'c']);
    expect(request.usage).toMatchObject({ inputTokens: 121, costUsd: null });
    expect(test.store.read.sessions.list({})).toHaveLength(1);
    expect(test.store.read.attempts.list({}).map((a) => a.state)).toEqual(['failed', 'done']);
  });

  it('of the day lets nothing else begin, and says so in the queue', async () => {
    await using test = await bench({ budgets: { day: { tokens: 100 } } });
    const first = await submitSteps(test, [{ text: 'end', ...spends(100) }]);
    expect((await over(test, first.id)).state).toBe('done');
    const second = await submitSteps(test, [{ text: 'end' }]);
    const row = await test.until('the queue', () => test.engine.queries.queue(undefined)[0]);
    expect(row).toMatchObject({ requestId: second.id, reason: "budget: 100 tokens of the day's 100 tokens are spent" });
    const day = { scope: 'day', name: null, kind: 'tokens', limit: 100, spent: 100, reserved: 0 };
    expect(test.engine.queries.budgets()).toEqual([expect.objectContaining(day)]);
  });

  it('is stopped for money at a price that the agent program did not report', async () => {
    const prices = { date: '2026-01-31', source: 'a price list', models: { 'a/b': { input: 1, output: 1 } } };
    await using test = await bench({ limits: { taskUsd: 0.01 }, prices });
    const steps = [{ ...spends(5_000), say: '1' }, { ...spends(6_000), say: '2' }, { hold: 'never' }];
    const options = { isSingleTask: true, model: 'a/b' };
    await submit(test, test.repo.root, `Do it. @@fake ${JSON.stringify(steps)}`, options);
    expect((await pending(test)).nativeId).toMatch(/^gantry:budget:task:/);
    const [turn] = test.store.journal.since(0, { kinds: ['turn.ended'], limit: 10 }).facts;
    const usage = { costUsd: expect.closeTo(0.011), pricedBy: 'a price list, 2026-01-31' };
    expect(turn?.data).toMatchObject({ outcome: 'interrupted', usage });
    expect(test.store.read.sessions.list({})[0]).toMatchObject({ usage });
  });

  it('whose cost is unknown is not stopped for money', async () => {
    await using test = await bench({ limits: { taskUsd: 0.01 } });
    const { id } = await submitSteps(test, [{ text: 'end', ...spends(1_000_000) }]);
    expect(await over(test, id)).toMatchObject({ state: 'done', usage: { costUsd: null } });
  });
});

describe('work without a task', () => {
  const daySpent = (test: Bench): number => test.engine.queries.budgets()[0]?.spent ?? Number.NaN;
  const full = "budget: 110 tokens of the day's 100 tokens are spent";

  it('counts for the day, whether an agent stands by or one prompt is given, and begins no more when it is spent', async () => {
    await using test = await bench({ budgets: { day: { tokens: 100 } }, policy: { default: 'allow', rules: [] } });
    const directory = test.repo.root;
    const say = (tokens: number): string => `@@fake ${JSON.stringify([{ text: 'end', ...spends(tokens) }])}`;
    const send = (tokens: number) => test.engine.send({ to: 'w1', text: say(tokens), mode: 'next-turn' }, person).id;
    await test.engine.agents.start({ agent: 'w1', directory }, person);
    const [agent] = test.store.read.agents.list({});
    test.store.commit((tx) => openAlert(tx, `budget:${agent?.id}`, 'of a daemon that was killed', {}));
    const first = send(60);
    await test.until('it is seen', () => test.store.read.messages.need(first).state === 'seen');
    expect(test.engine.queries.alerts()).toEqual([]);
    expect(daySpent(test)).toBe(60);
    const { sessionId } = await test.engine.exec({ prompt: say(50), directory, timeoutMs: 60_000 });
    expect(await test.engine.execResult(sessionId, 60_000)).toMatchObject({ state: 'done' });
    expect(daySpent(test)).toBe(110);

    await expect(test.engine.exec({ prompt: say(1), directory, timeoutMs: 60_000 })).rejects.toThrow(full);
    const second = send(1);
    const alert = await test.until('the alert', () => test.engine.queries.alerts()[0]);
    expect(alert.text).toContain(full);
    expect(test.engine.explain(second).lines).toEqual([alert.text]);
    const { id } = await submitSteps(test, [{ text: 'end' }]);
    const row = await test.until('the queue', () => test.engine.queries.queue(undefined)[0]);
    expect(row).toMatchObject({ requestId: id, reason: full });
    await test.restart();
    expect(daySpent(test)).toBe(110);
    expect(test.store.read.messages.need(second).state).toBe('queued');
  });

  it('counts for its project if it was a plan', async () => {
    await using test = await bench({ budgets: { project: { tokens: 1_000 } } });
    const tasks = [
      { task_id: 'T1', title: 'one', description: 'Do one. @@fake [{"text":"end","usage":{"inputTokens":5}}]' },
    ];
    const { id } = await submit(
      test,
      test.repo.root,
      `Plan it. @@fake ${JSON.stringify([{ text: JSON.stringify({ tasks }), ...spends(70) }])}`,
    );
    const request = await over(test, id);
    expect(request).toMatchObject({ state: 'done', plan: { source: 'model', usage: { inputTokens: 70 } } });
    expect(test.engine.queries.budgets()).toEqual([expect.objectContaining({ scope: 'project', spent: 75 })]);
  });
});
