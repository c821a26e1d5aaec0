import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Bench, bench, over, person, submit, submitSteps } from '../../../test/support/engine-bench.ts';
import { until } from '../../base/wait.ts';
import { DEFAULTS } from '../../contract/config-defaults.ts';
import type { RequestId } from '../../contract/ids.ts';
import { pauseMs } from './standing-run.ts';
import { type WarmAgent, warmAgents } from './warm-fit.ts';

const MADE = { write: { path: 'made', content: 'x' } };
const WRITE = [MADE, { text: 'done' }];
const HELD = [{ hold: 'go', ...MADE }, { text: 'done' }];

const GB = 1024 ** 3;

/** The project is known before there is any work. */
async function pool(warm: number, more: Parameters<typeof bench>[0] = {}): Promise<Bench> {
  const test = await bench({ roles: { worker: { warm } }, ...more });
  await test.engine.addProject({ path: test.repo.root }, person);
  return test;
}

const stateOf = (test: Bench, { standing }: WarmAgent): string =>
  test.store.read.sessions.need(standing.sessionId).state;

const ready = (test: Bench, count: number): Promise<WarmAgent[]> =>
  test.until(`${count} stand ready`, () => {
    const agents = warmAgents(test.store.read).filter((agent) => stateOf(test, agent) === 'running');
    return agents.length === count && agents;
  });

const one = async (test: Bench): Promise<WarmAgent> => {
  const [agent] = await ready(test, 1);
  if (!agent) throw new Error('none stands ready');
  return agent;
};

const lines = async (test: Bench, kind: string) => (await test.agentLog()).filter((line) => line.kind === kind);

const attemptOf = (test: Bench, id: RequestId) => {
  const [attempt] = test.store.read.attempts.list({ requestId: id });
  if (!attempt) throw new Error('it has no attempt');
  return attempt;
};

const branches = (test: Bench): Promise<string> =>
  test.repo.git(['for-each-ref', '--format=%(refname:short)', 'refs/heads/gantry/warm']);

/** All that an agent program was sent a kill. */
async function kill(test: Bench, { standing }: WarmAgent): Promise<void> {
  const { nativeId } = test.store.read.sessions.need(standing.sessionId);
  const opened = (await lines(test, 'open')).findLast(({ session }) => session === nativeId);
  process.kill(opened?.pid ?? 0, 'SIGKILL');
}

describe('agents that stand ready', () => {
  it('ask no model, and one is the next task’s: session, workspace and attempt are its own, on its branch at its base', async () => {
    await using test = await pool(2);
    const agents = await ready(test, 2);
    expect(agents.map(({ id }) => id.split('/').at(-1)).sort()).toEqual(['worker-1', 'worker-2']);
    await test.repo.write('later', 'after they were opened');
    await test.repo.commit('later');
    const request = await submitSteps(test, HELD);
    const attempt = await test.until('the attempt', () => {
      const [found] = test.store.read.attempts.list({ requestId: request.id, state: 'working' });
      return found;
    });
    const taken = agents.find(({ standing }) => standing.sessionId === attempt.sessionId);
    expect(taken).toMatchObject({
      id: attempt.agent,
      standing: { workspace: attempt.workspace, warm: { attemptId: attempt.id } },
    });
    expect(await readFile(join(attempt.workspace, 'later'), 'utf8')).toBe('after they were opened');
    expect(await test.repo.git(['-C', attempt.workspace, 'branch', '--show-current'])).toBe(attempt.branch);
    await test.release('go');
    expect(await over(test, request.id)).toMatchObject({ state: 'done', result: { filesChanged: [{ path: 'made' }] } });
    const session = test.store.read.sessions.need(attempt.sessionId ?? '');
    expect(session).toMatchObject({ purpose: 'attempt', attemptId: attempt.id, state: 'stopped' });
    expect(await lines(test, 'request')).toHaveLength(2);
    const again = await ready(test, 2);
    expect(again.map(({ standing }) => standing.sessionId)).not.toContain(attempt.sessionId);
    expect((await branches(test)).split('\n')).toHaveLength(2);
  });

  it('are not woken by messages, and no broadcast means them', async () => {
    await using test = await pool(1);
    const { id } = await one(test);
    expect(
      test.engine.broadcast({ text: 'hear', isLiveOnly: false, isDryRun: false, mode: 'next-turn' }, person),
    ).toEqual({ receipts: [] });
    const message = test.engine.send({ to: id, text: 'Mind the gap.', mode: 'next-turn' }, person);
    const request = await submitSteps(test, WRITE);
    await over(test, request.id);
    expect(attemptOf(test, request.id).agent).toBe(id);
    expect(test.store.read.messages.need(message.id).state).toBe('seen');
    expect((await lines(test, 'request'))[0]?.messages?.map(({ text }) => text).join()).toMatch(
      /Mind the gap.*Do it|Do it.*Mind the gap/s,
    );
  });

  it('are opened again after a kill of their program, and are as many after a restart', async () => {
    await using test = await pool(2);
    const [first] = await ready(test, 2);
    if (!first) throw new Error('none');
    const nativeId = test.store.read.sessions.need(first.standing.sessionId).nativeId;
    await kill(test, first);
    await test.until('another program', () => {
      const agent = warmAgents(test.store.read).find(({ id }) => id === first.id);
      const session = agent && test.store.read.sessions.need(agent.standing.sessionId);
      return session?.state === 'running' && session.nativeId !== nativeId;
    });
    await test.restart();
    await ready(test, 2);
    const request = await submitSteps(test, WRITE);
    expect(await over(test, request.id)).toMatchObject({ state: 'done' });
  });

  it('that cannot be opened are tried ever less often, with one alert, and take nothing from a task', async () => {
    await using test = await pool(1, { fake: { env: { GANTRY_FAKE_START: 'exit=3' } } });
    const alert = await test.until('an alert', () => test.engine.queries.alerts()[0]);
    expect(alert.text).toMatch(/worker-1 cannot be kept ready: /);
    const tries = test.store.journal
      .since(0, { kinds: ['session.changed'], limit: 1_000 })
      .facts.filter(({ data }) => 'row' in data && data.to === 'failed' && data.from !== data.to);
    expect(tries.length).toBe(3);
    expect([1, 2, 3, 20].map(pauseMs)).toEqual([1_000, 2_000, 4_000, 300_000]);
  });

  it('make way for a task and for a person where a limit is reached', async () => {
    await using test = await pool(1, { maxSessions: 1, roles: { worker: {}, other: { warm: 1 } } });
    const { id } = await one(test);
    expect(id).toContain('/other/');
    const request = await submitSteps(test, HELD);
    await test.until('its work', () => test.store.read.tasks.list({ requestId: request.id, state: 'working' })[0]);
    expect(warmAgents(test.store.read)).toEqual([]);
    expect(test.store.read.sessions.count({ state: ['starting', 'running'] })).toBe(1);
    await test.release('go');
    await over(test, request.id);
    await one(test);
    await test.engine.agents.start({ agent: 'w1', directory: test.repo.root }, person);
    expect(warmAgents(test.store.read)).toEqual([]);
  });

  it('become a person’s by a start, and go with their workspaces and branches when they are wanted no more', async () => {
    await using test = await pool(2);
    const [first, second] = await ready(test, 2);
    const started = await test.engine.agents.start({ agent: first?.id ?? '' }, person);
    expect(started).toMatchObject({
      state: 'running',
      sessionId: first?.standing.sessionId,
      cause: 'it was there already',
    });
    expect((await ready(test, 2)).map(({ id }) => id)).toEqual([second?.id, expect.stringContaining('worker-3')]);
    const message = test.engine.send(
      { to: started.agent, text: `Hear. @@fake ${JSON.stringify([{ text: 'yes' }])}`, mode: 'next-turn' },
      person,
    );
    await test.until('it heard', () => test.store.read.messages.need(message.id).state === 'seen');
    await test.engine.agents.stop({ agent: started.agent }, person);
    test.engine.removeProject(test.repo.root, person);
    await test.until('all are gone', () => warmAgents(test.store.read).length === 0);
    await test.engine.close();
    expect(await branches(test)).toBe('');
  });

  it('are passed over where their program has read what has changed since', async () => {
    await using test = await pool(1);
    const agent = await one(test);
    await test.repo.write('CLAUDE.md', 'Be brief.');
    await test.repo.commit('words for agents');
    const request = await submitSteps(test, WRITE);
    expect(await over(test, request.id)).toMatchObject({ state: 'done' });
    const attempt = attemptOf(test, request.id);
    expect(attempt.sessionId).not.toBe(agent.standing.sessionId);
    expect(test.store.read.sessions.need(agent.standing.sessionId)).toMatchObject({
      state: 'stopped',
      cause: 'what was kept ready was not used: CLAUDE.md has changed since its program read it',
    });
    expect(existsSync(agent.standing.workspace)).toBe(false);
  });

  it('with files that nobody was asked for are passed over, and the files are saved', async () => {
    await using test = await pool(1);
    const { standing } = await one(test);
    const [tracked = ''] = (await test.repo.git(['ls-files'])).split('\n');
    await writeFile(join(standing.workspace, tracked), 'changed by nobody');
    const request = await submitSteps(test, WRITE);
    expect(await over(test, request.id)).toMatchObject({ state: 'done', result: { filesChanged: [{ path: 'made' }] } });
    const saved = await test.repo.git(['for-each-ref', '--format=%(refname)', 'refs/gantry/snapshots']);
    expect(await test.repo.git(['show', `${saved.split('\n')[0]}:${tracked}`])).toBe('changed by nobody');
  });

  it('serve no task that is made otherwise', async () => {
    await using test = await pool(1);
    const agent = await one(test);
    const options = { isSingleTask: true, model: 'another/model' };
    const request = await submit(test, test.repo.root, `Do it. @@fake ${JSON.stringify(WRITE)}`, options);
    await over(test, request.id);
    expect(attemptOf(test, request.id)).toMatchObject({
      model: 'another/model',
      agent: expect.not.stringContaining(agent.id),
    });
    expect(warmAgents(test.store.read)[0]?.standing.sessionId).toBe(agent.standing.sessionId);
  });

  it('go where a task waits for memory, which by what sessions were measured to use is too little; more lets it start', async () => {
    let free = 64 * GB;
    await using test = await pool(0, { freeMemory: () => free, roles: { worker: {}, other: { warm: 1 } } });
    await one(test);
    const first = await submitSteps(test, HELD);
    await test.until('its work', () => test.store.read.tasks.list({ requestId: first.id, state: 'working' })[0]);
    free = DEFAULTS.limits.memoryReserve + 1_000_000;
    const second = await submitSteps(test, WRITE);
    await test.until('the room', () => warmAgents(test.store.read).length === 0);
    const reason =
      /memory: \d+ MB are free, \d+ MB are kept .*one more session of fake is expected to use \d+ MB: (.+)$/;
    const waiting = await until(
      async () =>
        test.engine.queries.queue(undefined).find((row) => reason.exec(row.reason)?.[1]?.startsWith('the most')) ??
        null,
      { everyMs: 50, limitMs: 60_000 },
      () => new Error('nothing was measured'),
    );
    expect(waiting).toMatchObject({ requestId: second.id, position: 1 });
    expect(test.engine.explain(waiting.taskId).lines.join()).toMatch(reason);
    free = 64 * GB;
    expect(await over(test, second.id)).toMatchObject({ state: 'done' });
    await test.release('go');
    await over(test, first.id);
  });
});
