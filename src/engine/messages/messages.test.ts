import { describe, expect, it } from 'vitest';
import { type Bench, bench, over, person, submitSteps } from '../../../test/support/engine-bench.ts';
import type { Agent } from '../../contract/agent.ts';
import type { Caller } from '../../contract/caller.ts';
import type { Message } from '../../contract/message.ts';

const callerOf = (agent: string): Caller => ({ actor: `agent:${agent}`, scope: 'read', agent });

/** An agent in the turn of these steps. */
async function atWork(
  test: Bench,
  steps: readonly object[],
): Promise<{ readonly id: `req_${string}`; readonly agent: Agent }> {
  const { id } = await submitSteps(test, steps);
  const agent = await test.until('the turn', () => {
    const task = test.store.read.tasks.list({ requestId: id, state: 'working' })[0];
    return task ? test.store.read.agents.need(task.agent ?? '') : null;
  });
  return { id, agent };
}

const send = (
  test: Bench,
  to: string,
  text: string,
  more: Partial<Message> & { ttlMs?: number } = {},
  caller = person,
): Message =>
  test.engine.send(
    { to, text, mode: more.mode ?? 'next-turn', replyTo: more.replyTo ?? undefined, ttlMs: more.ttlMs },
    caller,
  );

const stateOf = (test: Bench, { id }: Message): string => test.store.read.messages.need(id).state;

const inState = (test: Bench, message: Message, state: Message['state']): Promise<true> =>
  test.until(`${message.text} is ${state}`, () => stateOf(test, message) === state);

/** How often each request to the model held these words, one number per request. */
async function shown(test: Bench, words: string): Promise<number[]> {
  const lines = (await test.agentLog()).filter((line) => line.kind === 'request');
  return lines.map((line) => JSON.stringify(line.messages).split(words).length - 1);
}

/** Its receipts in order. */
const receipts = (test: Bench, { id }: Message): string[] =>
  test.store.journal
    .since(0, { kinds: ['message.changed'], limit: 1_000 })
    .facts.flatMap(({ data }) => ('row' in data && data.row.id === id && data.from !== data.to ? [data.to] : []));

describe('a message in mode', () => {
  it('steer joins the running turn: it is in its next model request, once in each, and the turn goes on', async () => {
    await using test = await bench();
    const { id, agent } = await atWork(test, [
      { hold: 'go', write: { path: 'a', content: 'a' } },
      { say: 'more' },
      { text: 'end' },
    ]);
    const message = send(test, agent.id, 'mind the gap', { mode: 'steer' });
    await inState(test, message, 'delivered');
    await test.release('go');
    expect(await over(test, id)).toMatchObject({ state: 'done' });
    expect(receipts(test, message)).toEqual(['queued', 'delivered', 'seen']);
    expect(await shown(test, 'mind the gap')).toEqual([0, 1, 1]);
  });

  it('interrupt ends the running turn first, and the work goes on', async () => {
    await using test = await bench();
    const { id, agent } = await atWork(test, [
      { hold: 'never', text: 'no' },
      { write: { path: 'a', content: 'a' } },
      { text: 'end' },
    ]);
    const message = send(test, agent.id, 'stop that', { mode: 'interrupt' });
    await inState(test, message, 'delivered');
    await test.release('never');
    const request = await over(test, id);
    expect(request.result?.filesChanged.map((f) => f.path)).toEqual(['a']);
    expect(stateOf(test, message)).toBe('seen');
    expect(test.store.read.attempts.list({ requestId: id })).toHaveLength(1);
  });

  it('next-turn waits for the end of the running turn', async () => {
    await using test = await bench();
    const { id, agent } = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const message = send(test, agent.id, 'also this');
    const why = 'the agent is in a turn: it goes with the next one';
    await test.until('the reason', () => test.engine.explain(message.id).lines[0] === why);
    expect(stateOf(test, message)).toBe('queued');
    await test.release('go');
    await over(test, id);
    expect(await shown(test, 'also this')).toEqual([0, 1]);
  });

  it('that the agent program cannot serve is said: steer goes with the next turn, interrupt is refused', async () => {
    await using test = await bench({ fake: { config: { steer: false, interrupt: false } } });
    const { id, agent } = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const message = send(test, agent.id, 'also this', { mode: 'steer' });
    expect(message).toMatchObject({ state: 'queued', cause: expect.stringContaining('cannot steer') });
    expect(() => send(test, agent.id, 'stop', { mode: 'interrupt' })).toThrow(/cannot interrupt/);
    await test.release('go');
    await over(test, id);
    expect(stateOf(test, message)).toBe('seen');
  });

  it('steer or interrupt is held back while an approval waits, which it neither answers nor withdraws', async () => {
    await using test = await bench();
    const { id, agent } = await atWork(test, [
      { run: { command: 'touch b' } },
      { hold: 'go', say: 'x' },
      { text: 'end' },
    ]);
    const asked = await test.until('the approval', () => test.store.read.approvals.list({ state: 'pending' })[0]);
    const steer = send(test, agent.id, 'one', { mode: 'steer' });
    expect([stateOf(test, steer), test.store.read.approvals.need(asked.id).state]).toEqual(['queued', 'pending']);
    const held = `the agent waits for an answer to ${asked.id}, and is told nothing before that`;
    expect(test.engine.explain(steer.id)).toMatchObject({ kind: 'message', state: 'queued', lines: [held] });
    const whole = { text: 'two', mode: 'next-turn', isLiveOnly: false, isDryRun: false } as const;
    const { receipts: sent } = test.engine.broadcast(whole, person);
    expect(sent).toMatchObject([{ to: agent.id, state: 'queued', cause: held }]);
    test.engine.decide(asked.id, { type: 'allow', scope: 'once', expiresAt: null }, person);
    await inState(test, steer, 'delivered');
    expect(test.engine.explain(steer.id).lines).toEqual([]);
    await test.release('go');
    expect(await over(test, id)).toMatchObject({ state: 'done' });
    expect(test.store.read.approvals.need(asked.id).state).toBe('allowed');
  });
});

describe('mail', () => {
  it('is answered in its thread, by agents to the person and back; an agent acts as itself only', async () => {
    await using test = await bench();
    const { id, agent } = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const self = callerOf(agent.id);
    const question = send(test, 'person', 'which colour?', {}, self);
    expect(question).toMatchObject({ from: agent.id, to: 'person', state: 'delivered' });
    const answer = send(test, agent.name, 'blue', { replyTo: question.id });
    expect(answer).toMatchObject({ to: agent.id, thread: question.id, replyTo: question.id });
    expect(stateOf(test, question)).toBe('replied');
    const other = callerOf(`${agent.id}-other`);
    expect(() => test.engine.readMessage(question.id, other)).toThrow(/not a message of/);
    expect(() => send(test, 'person', 'me too', { replyTo: question.id }, other)).toThrow(/not a message of/);
    expect(() => test.engine.queries.messages({ agent: agent.id, all: false, limit: 10 }, other)).toThrow(/its own/);
    expect(() => send(test, agent.id, 'x', { mode: 'interrupt' }, other)).toThrow(/may not interrupt/);
    await test.release('go');
    await over(test, id);
    expect(test.engine.readMessage(question.id, person).thread.map((m) => m.text)).toEqual(['which colour?', 'blue']);
    test.engine.archiveMessage(question.id, person);
    expect(test.engine.queries.messages({ agent: 'person', all: false, limit: 10 }, person).map((m) => m.text)).toEqual(
      ['blue'],
    );
  });

  it('that its agent has read by itself is not delivered again', async () => {
    await using test = await bench();
    const { id, agent } = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const message = send(test, agent.id, 'read me');
    test.engine.readMessage(message.id, callerOf(agent.id));
    await test.release('go');
    await over(test, id);
    expect(await shown(test, 'read me')).toEqual([0]);
  });

  it('is told to a new conversation if the lost one was given it and may not have read it', async () => {
    await using test = await bench({ fake: { config: { resume: false } } });
    const { id, agent } = await atWork(test, [
      { once: 'first', hold: 'go', text: 'x' },
      { once: 'boom', hold: 'die', kill: 'SIGKILL' },
      { text: 'end' },
    ]);
    const message = send(test, agent.id, 'mind the gap', { mode: 'steer' });
    await inState(test, message, 'delivered');
    await test.release('go');
    await test.release('die');
    expect(await over(test, id)).toMatchObject({ state: 'done' });
    expect(receipts(test, message)).toEqual(['queued', 'delivered', 'seen']);
    expect((await shown(test, 'mind the gap')).at(-1)).toBe(1);
  });

  it('past its time is never delivered, and its sender is told', async () => {
    await using test = await bench();
    const one = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const two = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const message = send(test, two.agent.id, 'too late', { ttlMs: 20 }, callerOf(one.agent.id));
    await inState(test, message, 'expired');
    const notice = test.store.read.messages.list({ to: one.agent.id })[0];
    expect(notice).toMatchObject({ from: 'gantry', kind: 'notice', replyTo: message.id });
    await test.release('go');
    await Promise.all([over(test, one.id), over(test, two.id)]);
    expect(Math.max(...(await shown(test, 'too late')).map((n, i) => (i < 2 ? n : 0)))).toBe(0);
    expect(stateOf(test, message)).toBe('expired');
  });

  it('to a form that fits nobody or several names those that there are', async () => {
    await using test = await bench();
    const one = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const two = await atWork(test, [{ hold: 'go', text: 'first' }]);
    expect(() => send(test, 'nobody', 'x')).toThrow(`no agent nobody; known: ${one.agent.id}, ${two.agent.id}`);
    expect(() => send(test, 'worker', 'x')).toThrow(`fits several agents: ${one.agent.id}, ${two.agent.id}`);
    await test.release('go');
    await Promise.all([over(test, one.id), over(test, two.id)]);
  });
});

describe('a broadcast', () => {
  it('goes to every agent that is meant but its sender, each with a receipt; a dry run touches nothing', async () => {
    await using test = await bench();
    const one = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const two = await atWork(test, [{ hold: 'go', text: 'first' }]);
    const input = { text: 'all hands', mode: 'steer', isLiveOnly: false, isDryRun: true } as const;
    const would = test.engine.broadcast(input, person).receipts;
    expect(would.map((r) => [r.to, r.state])).toEqual([one, two].map(({ agent }) => [agent.id, 'would-send']));
    expect(test.store.read.messages.list({})).toEqual([]);
    expect(() => test.engine.broadcast(input, callerOf(one.agent.id))).toThrow(/may not broadcast/);
    const { receipts: sent } = test.engine.broadcast({ ...input, isDryRun: false, isLiveOnly: true }, person);
    expect(sent.map((r) => r.to)).toEqual([one.agent.id, two.agent.id]);
    for (const message of test.store.read.messages.list({})) await inState(test, message, 'delivered');
    await test.release('go');
    await Promise.all([over(test, one.id), over(test, two.id)]);
    expect(test.engine.broadcast({ ...input, isLiveOnly: true }, person).receipts).toEqual([]);
  });
});
