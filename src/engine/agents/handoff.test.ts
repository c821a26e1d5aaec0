import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Bench, bench, over, person, submitSteps } from '../../../test/support/engine-bench.ts';
import type { Attempt } from '../../contract/attempt.ts';
import type { Caller } from '../../contract/caller.ts';
import type { RequestId } from '../../contract/ids.ts';

const NOTE = 'the port is 8080';

/** A worker that has made one file and waits; its script ends at once for whoever gets it next. */
async function half(test: Bench): Promise<{ readonly id: RequestId; readonly attempt: Attempt }> {
  const { id } = await submitSteps(test, [
    { once: 'made', write: { path: 'half', content: 'x' } },
    { once: 'held', hold: 'never', say: 'on' },
    { write: { path: 'rest', content: 'y' } },
    { text: 'end' },
  ]);
  const attempt = await test.until('the file', () => {
    const [one] = test.store.read.attempts.list({ requestId: id, state: 'working' });
    return one && existsSync(join(one.workspace, 'half')) && one;
  });
  return { id, attempt };
}

/** How often each prompt that was given held the note. */
const noted = async (test: Bench): Promise<number[]> =>
  (await test.agentLog()).filter(({ kind }) => kind === 'prompt').map(({ text = '' }) => text.split(NOTE).length - 1);

describe('a hand-over to another agent program', () => {
  it('of one at work keeps agent, workspace and what was done, and begins with the note', async () => {
    await using test = await bench({ second: {} });
    const { id, attempt } = await half(test);
    const done = await test.engine.agents.handOver({ agent: attempt.agent, backend: 'fake-two', note: NOTE }, person);
    expect(done).toMatchObject({ from: 'fake', backend: 'fake-two', taskId: attempt.taskId });
    expect(done.note).toMatch(new RegExp(`Branch: ${attempt.branch}\\n.*not committed: half`));
    const request = await over(test, id);
    expect(request.result?.filesChanged.map(({ path }) => path).sort()).toEqual(['half', 'rest']);
    const [first, second, ...more] = test.store.read.attempts.list({ requestId: id });
    expect([first?.state, second?.state, more.length]).toEqual(['superseded', 'done', 0]);
    expect(second).toMatchObject({ agent: attempt.agent, workspace: attempt.workspace, backend: 'fake-two' });
    expect(await noted(test)).toEqual([0, 1]);
  });

  it('that is cut between note and start brings the note once', async () => {
    await using test = await bench({ second: { env: { GANTRY_FAKE_START: 'ready-after=1500' } } });
    const { id, attempt } = await half(test);
    await test.engine.agents.handOver({ agent: attempt.agent, backend: 'fake-two', note: NOTE }, person);
    await test.until(
      'the new session',
      () => test.store.read.sessions.list({ backend: 'fake-two', state: 'starting' })[0],
    );
    await test.restart();
    expect(await over(test, id)).toMatchObject({ state: 'done' });
    expect(await noted(test)).toEqual([0, 1]);
    expect(test.store.read.attempts.list({ requestId: id })).toHaveLength(2);
  });

  it('of one that stands by gives its next message to a new conversation that knows the note', async () => {
    await using test = await bench({ second: {} });
    const started = await test.engine.agents.start({ agent: 'w1', directory: test.repo.root }, person);
    await test.engine.agents.handOver({ agent: 'w1', backend: 'fake-two', note: NOTE }, person);
    const row = (await test.engine.queries.agents({}))[0];
    expect(row).toMatchObject({ backend: 'fake-two', state: 'running', workspace: started.workspace });
    const text = `Go on. @@fake ${JSON.stringify([{ text: 'yes' }])}`;
    const { id } = test.engine.send({ to: 'w1', text, mode: 'next-turn' }, person);
    await test.until('seen', () => test.store.read.messages.need(id).state === 'seen');
    expect(await noted(test)).toEqual([1]);
    await expect(test.engine.agents.handOver({ agent: 'w1', backend: 'fake-two' }, person)).rejects.toThrow(/already/);
  });
});

describe('a hand-over to a new session of the same program', () => {
  it('of one at work begins a conversation that knows the note and nothing else', async () => {
    await using test = await bench();
    const { id, attempt } = await half(test);
    const done = await test.engine.agents.handOver({ agent: attempt.agent, note: NOTE }, person);
    expect(done).toMatchObject({ from: 'fake', backend: 'fake', taskId: attempt.taskId });
    expect((await over(test, id)).state).toBe('done');
    const [first, second, ...more] = test.store.read.attempts.list({ requestId: id });
    expect([first?.state, second?.state, more.length]).toEqual(['superseded', 'done', 0]);
    expect(second).toMatchObject({ agent: attempt.agent, workspace: attempt.workspace, backend: 'fake' });
    expect(second?.sessionId).not.toBe(first?.sessionId);
    expect(await noted(test)).toEqual([0, 1]);
  });

  it('of one that stands by keeps its model and its place', async () => {
    await using test = await bench();
    const started = await test.engine.agents.start({ agent: 'w1', directory: test.repo.root, model: 'a/b' }, person);
    const done = await test.engine.agents.handOver({ agent: 'w1', note: NOTE }, person);
    expect(done).toMatchObject({ backend: 'fake', model: 'a/b', taskId: null });
    const row = (await test.engine.queries.agents({}))[0];
    expect(row).toMatchObject({ backend: 'fake', state: 'running', workspace: started.workspace });
    const text = `Go on. @@fake ${JSON.stringify([{ text: 'yes' }])}`;
    const { id } = test.engine.send({ to: 'w1', text, mode: 'next-turn' }, person);
    await test.until('seen', () => test.store.read.messages.need(id).state === 'seen');
    expect(await noted(test)).toEqual([1]);
    const sessions = test.store.read.sessions.list({ agent: started.agent });
    expect(sessions.map(({ state }) => state)).toEqual(['stopped', 'running']);
  });

  it('does not go back to the old conversation where a full disk has kept that from its end', async () => {
    let passed = Number.POSITIVE_INFINITY;
    const onCommit = (): 'disk_full' | null => {
      passed -= 1;
      return passed === -1 ? 'disk_full' : null;
    };
    await using test = await bench({ faults: { onCommit } });
    const { id, attempt } = await half(test);
    await test.engine.pause(id, undefined, person);
    passed = 1;
    const cut = test.engine.agents.handOver({ agent: attempt.agent, note: NOTE }, person);
    await expect(cut).rejects.toMatchObject({ code: 'disk_full' });
    await test.restart();
    await test.engine.resume(id, undefined, person);
    expect((await over(test, id)).state).toBe('done');
    const [first, second] = test.store.read.attempts.list({ requestId: id });
    expect(second?.sessionId).not.toBe(first?.sessionId);
    expect(test.store.read.sessions.need(first?.sessionId ?? '').state).toBe('failed');
    expect(await noted(test)).toEqual([0, 1]);
  });
});

describe('an agent', () => {
  it('is primed with what it holds, and looked at, without a turn and without anything counting as read', async () => {
    await using test = await bench();
    const { attempt } = await half(test);
    const asAgent: Caller = { actor: `agent:${attempt.agent}`, scope: 'read', agent: attempt.agent };
    const mail = test.engine.send({ to: attempt.agent, text: 'Mind the gap.', mode: 'next-turn' }, person);
    const primed = test.engine.agents.prime({}, asAgent);
    expect(primed.parts.map(({ title }) => title)).toEqual([
      'identity',
      'role',
      'place',
      'task',
      'messages',
      'commands',
    ]);
    expect(primed.text).toContain('Mind the gap.');
    expect(() => test.engine.agents.prime({ agent: attempt.agent }, { ...asAgent, agent: 'a/b/c' })).toThrow(/itself/);
    const seen = test.engine.agents.peek({ agent: attempt.agent, limit: 1 });
    expect(seen).toMatchObject({ row: { task: attempt.taskId, state: 'running' }, items: [{ type: 'tool' }] });
    expect(seen.messages.map(({ id }) => id)).toEqual([mail.id]);
    expect(test.store.read.messages.need(mail.id).state).toBe('queued');
  });

  it('that is blocked tells those who may assign, and the person too when it is high', async () => {
    await using test = await bench();
    const { attempt } = await half(test);
    const asAgent: Caller = { actor: `agent:${attempt.agent}`, scope: 'read', agent: attempt.agent };
    const escalate = (severity: 'medium' | 'high'): string[] =>
      test.engine.escalate({ text: 'No key.', severity }, asAgent).map(({ to }) => to);
    expect(escalate('medium')).toEqual(['person']);
    const { agent: lead } = await test.engine.agents.start({ agent: 'lead', directory: test.repo.root }, person);
    expect(escalate('medium')).toEqual([lead]);
    expect(escalate('high')).toEqual([lead, 'person']);
    const [message] = test.store.read.messages.list({ to: 'person' });
    expect(message).toMatchObject({ kind: 'escalation', subject: 'medium: No key.', state: 'delivered' });
  });
});
