import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Bench, bench, over, person, submitSteps } from '../../../test/support/engine-bench.ts';
import { noTerminal } from '../../../test/support/terminal.ts';
import { until } from '../../base/wait.ts';
import type { StartedAgent } from '../../contract/life-operations.ts';
import type { Message } from '../../contract/message.ts';
import type { Session } from '../../contract/session.ts';

const start = (test: Bench, agent = 'w1', more: { backend?: string } = {}): Promise<StartedAgent> =>
  test.engine.agents.start({ agent, directory: test.repo.root, ...more }, person);

const stop = (test: Bench, agent = 'w1') => test.engine.agents.stop({ agent }, person);

const send = (test: Bench, steps: readonly object[], words = 'Hear this.', to = 'w1'): Message =>
  test.engine.send({ to, text: `${words} @@fake ${JSON.stringify(steps)}`, mode: 'next-turn' }, person);

const inState = (test: Bench, { id }: Message, state: Message['state']): Promise<true> =>
  test.until(`${id} is ${state}`, () => test.store.read.messages.need(id).state === state);

const sessionOf = (test: Bench, { agent }: StartedAgent): Session =>
  test.store.read.sessions.need(test.store.read.agents.need(agent).sessionId ?? '');

const standsBy = (test: Bench, started: StartedAgent): Promise<true> =>
  test.until('it stands by', () => {
    const { state, activity } = sessionOf(test, started);
    return state === 'running' && activity === 'idle';
  });

/** The model requests, each as one text. */
const requests = async (test: Bench): Promise<string[]> =>
  (await test.agentLog()).filter(({ kind }) => kind === 'request').map((line) => JSON.stringify(line.messages));

const receipts = (test: Bench, { id }: Message): string[] =>
  test.store.journal
    .since(0, { kinds: ['message.changed'], limit: 1_000 })
    .facts.flatMap(({ data }) => ('row' in data && data.row.id === id && data.from !== data.to ? [data.to] : []));

describe('a standing agent', () => {
  it('has a session and no task, asks no model while it is idle, and takes a message as its next turn', async () => {
    await using test = await bench();
    const started = await start(test);
    expect(started).toMatchObject({ state: 'running', cause: 'new session', backend: 'fake' });
    const [row] = (await test.engine.queries.agents({})) ?? [];
    expect(row).toMatchObject({ name: 'w1', role: 'worker', state: 'running', activity: 'idle', task: null });
    expect(await requests(test)).toEqual([]);
    const message = send(test, [{ write: { path: 'a', content: 'made' } }, { text: 'Heard.' }]);
    await inState(test, message, 'seen');
    expect(receipts(test, message)).toEqual(['queued', 'delivered', 'seen']);
    expect((await requests(test)).map((one) => one.split('Hear this.').length - 1)).toEqual([1, 1]);
    expect(await readFile(join(started.workspace, 'a'), 'utf8')).toBe('made');
    expect(existsSync(join(test.repo.root, 'a'))).toBe(false);
  });

  it('is told who it is once, and a notice of Gantry wakes it not', async () => {
    await using test = await bench();
    await start(test);
    await inState(test, send(test, [{ text: 'one' }], 'First.'), 'seen');
    await inState(test, send(test, [{ text: 'two' }], 'Second.'), 'seen');
    const asked = await requests(test);
    expect(asked).toHaveLength(2);
    expect(asked[1]?.split('you stand by').length).toBe(2);
  });

  it('goes on with the same conversation after a restart, where a message was waiting', async () => {
    await using test = await bench();
    const started = await start(test);
    await inState(test, send(test, [{ text: 'one' }], 'The marker is 4711.'), 'seen');
    await test.restart();
    await standsBy(test, started);
    const message = send(test, [{ text: 'two' }]);
    await inState(test, message, 'seen');
    expect(sessionOf(test, started)).toMatchObject({ id: started.sessionId, nativeId: started.nativeId });
    expect((await requests(test)).at(-1)).toContain('4711');
  });

  it('whose program dies in a turn takes the turn up again, once', async () => {
    await using test = await bench();
    const started = await start(test);
    const message = send(test, [{ once: 'death', kill: 'SIGKILL' }, { text: 'done' }]);
    await inState(test, message, 'seen');
    await standsBy(test, started);
    expect(receipts(test, message)).toEqual(['queued', 'delivered', 'seen']);
    expect(sessionOf(test, started).nativeId).toBe(started.nativeId);
  });

  it('works at a task in a conversation of its own and stands by again afterwards', async () => {
    await using test = await bench();
    const started = await start(test);
    const task = `Do it. @@fake ${JSON.stringify([{ write: { path: 'b', content: 'b' } }, { text: 'end' }])}`;
    const input = { task, project: test.repo.root, name: 'w1', after: [] };
    const { requestId } = await test.engine.sling(
      { ...input, isReviewOnly: false, isDryRun: false, isForced: false, isDirtyAllowed: false },
      person,
    );
    expect(await over(test, requestId ?? 'req_')).toMatchObject({ state: 'done' });
    await standsBy(test, started);
    expect(sessionOf(test, started)).toMatchObject({ id: started.sessionId, nativeId: started.nativeId });
    expect(test.store.read.attempts.list({ agent: started.agent })[0]?.sessionId).not.toBe(started.sessionId);
  });

  it('tells a sender whose message was given but whose turn failed', async () => {
    await using test = await bench();
    await start(test);
    const message = send(test, [{ fail: { message: 'the model is out' } }]);
    const notice = await test.until('a notice', () =>
      test.store.read.messages.list({ to: 'person' }).find(({ kind }) => kind === 'notice'),
    );
    expect(notice.text).toContain('the model is out');
    expect(test.store.read.messages.need(message.id).state).toBe('delivered');
  });

  it('is let go by an emergency stop and comes back when it ends', async () => {
    await using test = await bench();
    const started = await start(test);
    await test.engine.estop({ reason: 'test', keep: [] }, person);
    expect(sessionOf(test, started).state).toBe('paused');
    const message = send(test, [{ text: 'late' }]);
    await expect(start(test, 'w2')).rejects.toMatchObject({ code: 'conflict' });
    test.engine.thaw({}, person);
    await inState(test, message, 'seen');
  });

  it('lets its program go when it is idle for long, and a message or a start brings its conversation back', async () => {
    await using test = await bench({ roles: { worker: { idleClose: 300 } } });
    const started = await start(test);
    const rests = () => test.until('the rest', () => sessionOf(test, started).state === 'paused');
    await inState(test, send(test, [{ text: 'one' }], 'The marker is 4711.'), 'seen');
    await rests();
    const asked = (await requests(test)).length;
    const other = await start(test, 'w2');
    await inState(test, send(test, [{ text: 'mine' }], 'Not for w1.', other.agent), 'seen');
    expect(sessionOf(test, started).state).toBe('paused');
    await inState(test, send(test, [{ text: 'two' }]), 'seen');
    expect(sessionOf(test, started).nativeId).toBe(started.nativeId);
    expect((await requests(test)).at(-1)).toContain('4711');
    await rests();
    expect(await start(test)).toMatchObject({ state: 'running', nativeId: started.nativeId });
    await rests();
    await stop(test);
    expect(await requests(test)).toHaveLength(asked + 2);
  });

  it('counts against the sessions of its backend', async () => {
    await using test = await bench({ maxSessions: 1 });
    await start(test);
    await expect(start(test, 'w2')).rejects.toMatchObject({ code: 'overloaded' });
    await submitSteps(test, [{ text: 'end' }]);
    const waiting = await test.until('the queue', () => test.engine.queries.queue(undefined)[0]);
    expect(waiting.reason).toBe('limit of 1 sessions of backend fake is reached');
    await stop(test);
    await test.until('the task', () => test.store.read.tasks.list({ state: 'done' })[0]);
  });
});

describe.skipIf(noTerminal !== null)('a conversation that a person has alone', () => {
  /** Lives on without its engine, by design: also when the test has failed. */
  const attach = async (test: Bench, more: { isInterrupting?: boolean; agent?: string } = {}) => {
    const view = await test.engine.agents.attach({ agent: 'w1', isInterrupting: false, ...more }, person);
    onTestFinished(async () => {
      await tmux(view, 'kill-server').catch(() => undefined);
    });
    return view;
  };
  const lentOf = (test: Bench, { agent }: StartedAgent) => test.store.read.agents.need(agent).lent;
  /** As the one who has it sees it, and how they leave it. */
  const tmux = async ({ command: [program, u, s, socket] }: { command: string[] }, ...words: string[]) =>
    (await promisify(execFile)(program ?? '', [u ?? '', s ?? '', socket ?? '', ...words])).stdout;

  it('is let go of before, seen on the screen, and taken back with what came meanwhile', async () => {
    await using test = await bench();
    const started = await start(test);
    await inState(test, send(test, [{ text: 'one' }], 'The marker is 4711.'), 'seen');
    const [view, again] = [await attach(test), await attach(test)];
    expect(view).toEqual(again);
    expect(view.isAlone).toBe(true);
    const words = `conversation ${started.nativeId}`;
    const look = async () => ((await tmux(view, 'capture-pane', '-p')).includes(words) ? true : null);
    await until(look, { everyMs: 20, limitMs: 60_000 }, () => new Error(`the screen never showed ${words}`));
    expect((await test.engine.queries.agents({}))[0]).toMatchObject({ state: 'attached' });
    expect(sessionOf(test, started).state).toBe('paused');
    const message = send(test, [{ text: 'two' }]);
    await expect(start(test)).rejects.toThrow(/person has the conversation/);
    expect(test.store.read.messages.need(message.id).state).toBe('queued');
    await tmux(view, 'kill-server');
    await inState(test, message, 'seen');
    expect(sessionOf(test, started)).toMatchObject({ id: started.sessionId, nativeId: started.nativeId });
    expect((await requests(test)).at(-1)).toContain('4711');
    expect(lentOf(test, started)).toBeNull();
  });

  it('is still theirs after a restart, and taken back when their program dies', async () => {
    await using test = await bench();
    const started = await start(test);
    const view = await attach(test);
    await test.restart();
    const message = send(test, [{ text: 'two' }]);
    expect(await attach(test)).toEqual(view);
    // Whoever is brought back is there by now.
    const other = await start(test, 'w2');
    await inState(test, send(test, [{ text: 'mine' }], 'Not for w1.', other.agent), 'seen');
    expect(sessionOf(test, started).state).toBe('paused');
    const pid = Number(await tmux(view, 'display-message', '-p', '#{pane_pid}'));
    expect([lentOf(test, started) !== null, test.store.read.messages.need(message.id).state]).toEqual([true, 'queued']);
    process.kill(pid, 'SIGKILL');
    await inState(test, message, 'seen');
  });

  it.each(['before it was shown', 'when the daemon was down'])('is taken back: its end came %s', async (when) => {
    await using test = await bench();
    const started = await start(test);
    const view = when.startsWith('before') ? null : await attach(test);
    const lent = { sessionId: started.sessionId, to: 'person', at: 1 };
    if (!view) test.store.commit((tx) => tx.agents.update(started.agent, { lent }, { actor: 'person' }));
    const end = test.engine.close();
    if (view) await tmux(view, 'kill-server');
    await end;
    await test.restart();
    await inState(test, send(test, [{ text: 'two' }]), 'seen');
    expect(lentOf(test, started)).toBeNull();
  });

  it('is ended by a stop', async () => {
    await using test = await bench();
    const started = await start(test);
    const view = await attach(test);
    expect(await stop(test)).toMatchObject({ state: 'stopped' });
    await expect(tmux(view, 'has-session')).rejects.toThrow();
    expect(lentOf(test, started)).toBeNull();
    expect(test.store.read.sessions.need(started.sessionId).state).toBe('stopped');
  });

  it('of a turn is refused unless it may be broken off; a task goes on with the same attempt', async () => {
    await using test = await bench();
    const { id } = await submitSteps(test, [{ once: 'held', hold: 'go', say: 'on' }, { text: 'end' }]);
    const { agent } = await test.until('the work', () => test.store.read.attempts.list({ state: 'working' })[0]);
    await test.until('its turn', () => test.store.read.sessions.list({ agent })[0]?.activity === 'busy');
    const ask = (isInterrupting: boolean) => attach(test, { agent, isInterrupting });
    await expect(ask(false)).rejects.toThrow(/middle of a turn.*--interrupt/);
    const view = await ask(true);
    await test.release('go');
    await tmux(view, 'kill-server');
    expect(await over(test, id)).toMatchObject({ state: 'done' });
    expect(test.store.read.attempts.list({ requestId: id })).toHaveLength(1);
    expect((await requests(test)).at(-1)).toContain('person spoke with you in between');
  });

  it('is refused, and with Gantry as before, where the program can do neither', async () => {
    await using test = await bench({ fake: { config: { attach: false } }, second: {} });
    await start(test);
    await expect(attach(test)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('able: fake-two'),
    });
    await inState(test, send(test, [{ text: 'two' }]), 'seen');
  });
});

it('is not lent without tmux, which is named, and stays with Gantry', async () => {
  await using test = await bench({ fake: { env: { PATH: '/nowhere' } } });
  await start(test);
  const asked = test.engine.agents.attach({ agent: 'w1', isInterrupting: false }, person);
  await expect(asked).rejects.toMatchObject({ code: 'backend_missing', message: expect.stringContaining('tmux') });
  await inState(test, send(test, [{ text: 'two' }]), 'seen');
});

describe('a start', () => {
  it('of one that is there already changes nothing', async () => {
    await using test = await bench();
    const first = await start(test);
    const second = await start(test);
    expect(second).toEqual({ ...first, cause: 'it was there already' });
    await expect(start(test, 'w1', { backend: 'fake-two' })).rejects.toThrow(/gantry agent handoff/);
  });

  it('that fails leaves neither workspace nor branch, and the next one works', async () => {
    await using test = await bench({ fake: { env: { GANTRY_FAKE_START: 'exit=3' } } });
    await expect(start(test)).rejects.toMatchObject({ code: 'backend_failed' });
    const left = await test.repo.git(['for-each-ref', 'refs/heads/gantry']);
    expect([left, test.store.read.agents.list({})[0]]).toEqual(['', expect.objectContaining({ standing: null })]);
  });

  it('of a role that has one agent in the whole plane needs no project', async () => {
    await using test = await bench({ roles: { mayor: { instances: 'plane' } } });
    const started = await test.engine.agents.start({ agent: 'mayor' }, person);
    expect(started).toMatchObject({ agent: '-/mayor/-', branch: null });
    const [row] = await test.engine.queries.agents({});
    expect(row).toMatchObject({ role: 'mayor', name: '-', project: '-', state: 'running' });
    await inState(test, send(test, [{ text: 'yes' }], 'Hello.', 'mayor'), 'seen');
  });

  it('after a stop resumes the conversation', async () => {
    await using test = await bench();
    const started = await start(test);
    await inState(test, send(test, [{ text: 'one' }], 'The marker is 4711.'), 'seen');
    await stop(test);
    const again = await start(test);
    expect(again).toMatchObject({ cause: 'resumed session', nativeId: started.nativeId, workspace: started.workspace });
    await inState(test, send(test, [{ text: 'two' }]), 'seen');
    expect((await requests(test)).at(-1)).toContain('4711');
  });

  it('on a backend that cannot resume says so, and the first prompt tells who it is', async () => {
    await using test = await bench({ fake: { config: { resume: false } } });
    await start(test);
    await inState(test, send(test, [{ text: 'one' }]), 'seen');
    await stop(test);
    expect((await start(test)).cause).toMatch(/^new session: the backend fake cannot resume/);
    await inState(test, send(test, [{ text: 'two' }]), 'seen');
    expect((await requests(test)).at(-1)).toMatch(/you stand by.*new session, the backend fake cannot resume/);
  });
});

describe('a fork', () => {
  const fork = (test: Bench, name?: string) => test.engine.agents.fork({ agent: 'w1', name }, person);
  const talked = async (test: Bench): Promise<StartedAgent> => {
    const started = await start(test);
    const steps = [{ write: { path: 'draft', content: 'x' } }, { text: 'one' }];
    await inState(test, send(test, steps, 'The marker is 4711.'), 'seen');
    return started;
  };

  it('knows what was said, is told who it is now, and works in a worktree of its own', async () => {
    await using test = await bench();
    const first = await talked(test);
    const forked = await fork(test);
    expect(forked).toMatchObject({ agent: 'project/worker/w1-fork', cause: 'forked session', state: 'running' });
    expect(forked.notices).toEqual([expect.stringMatching(/not committed by .*w1.*: draft$/)]);
    expect([forked.nativeId, forked.workspace, forked.branch]).not.toEqual([
      first.nativeId,
      first.workspace,
      first.branch,
    ]);
    const steps = [{ write: { path: 'own', content: 'y' } }, { text: 'two' }];
    await inState(test, send(test, steps, 'Fork.', forked.agent), 'seen');
    expect((await requests(test)).at(-1)).toMatch(
      /4711.*You are project\/worker\/w1-fork.*a fork of project\/worker\/w1/,
    );
    expect([existsSync(join(forked.workspace, 'own')), existsSync(join(first.workspace, 'own'))]).toEqual([
      true,
      false,
    ]);
    await inState(test, send(test, [{ text: 'three' }], 'Original.'), 'seen');
    expect((await requests(test)).at(-1)).not.toContain('w1-fork');
    await test.restart();
    await inState(test, send(test, [{ text: 'four' }], 'Again.', forked.agent), 'seen');
    expect(sessionOf(test, forked).nativeId).toBe(forked.nativeId);
    expect(await fork(test)).toMatchObject({ agent: 'project/worker/w1-fork-2' });
  });

  it('is made after a kill that came before the copy', async () => {
    await using test = await bench();
    await talked(test);
    const forked = await fork(test);
    const row = sessionOf(test, forked);
    const { standing } = test.store.read.agents.need(forked.agent);
    // As it was written down before its program began.
    const forkOf = test.store.read.sessions.list({ agent: 'project/worker/w1' })[0]?.nativeId ?? null;
    await test.engine.close();
    test.store.commit((tx) => {
      const meta = { actor: 'gantry' };
      tx.sessions.update(row.id, { nativeId: null }, meta);
      if (standing) tx.agents.update(forked.agent, { standing: { ...standing, forkOf } }, meta);
    });
    await test.restart();
    await inState(test, send(test, [{ text: 'two' }], 'Fork.', forked.agent), 'seen');
    expect((await requests(test)).at(-1)).toContain('4711');
  });

  it('is refused with the cause, and leaves nothing', async () => {
    await using test = await bench({ roles: { mayor: { instances: 'plane' } } });
    const refused = (words: RegExp, name?: string) => expect(fork(test, name)).rejects.toThrow(words);
    await start(test);
    await refused(/nothing was said to/);
    await test.engine.agents.start({ agent: 'mayor' }, person);
    await expect(test.engine.agents.fork({ agent: 'mayor' }, person)).rejects.toThrow(/one agent/);
    const held = send(test, [{ hold: 'go', text: 'one' }]);
    await inState(test, held, 'delivered');
    await refused(/middle of a turn/);
    await test.release('go');
    await inState(test, held, 'seen');
    await refused(/is no name/, 'a b');
    await refused(/is there already/, 'w1');
    await stop(test);
    await refused(/has no session now: gantry agent start/);
    expect(test.store.read.agents.list({})).toHaveLength(2);
  });

  it('of a program that has none names those that have', async () => {
    await using test = await bench({ fake: { config: { fork: false } }, second: {} });
    await talked(test);
    await expect(fork(test)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('able: fake-two'),
    });
  });
});

describe('a stop', () => {
  it('ends the program, keeps what is saved nowhere else and names it', async () => {
    await using test = await bench();
    const started = await start(test);
    await inState(test, send(test, [{ write: { path: 'draft', content: 'x' } }, { text: 'end' }]), 'seen');
    const stopped = await stop(test);
    expect(stopped).toMatchObject({ state: 'stopped', exitCode: 0, survivors: [], unsaved: ['draft'] });
    expect(stopped.workspace).toBe(started.workspace);
    expect(existsSync(join(started.workspace, 'draft'))).toBe(true);
    expect((await test.engine.queries.agents({}))[0]?.state).toBe('stopped');
    expect(await stop(test)).toMatchObject({ cause: 'it was stopped already' });
  });

  it('removes a workspace that holds nothing of its own; messages wait for the next start', async () => {
    await using test = await bench();
    const started = await start(test);
    expect(await stop(test)).toMatchObject({ workspace: null, unsaved: [] });
    expect(existsSync(started.workspace)).toBe(false);
    const message = send(test, [{ text: 'later' }]);
    await test.restart();
    expect(test.store.read.messages.need(message.id).state).toBe('queued');
    await start(test);
    await inState(test, message, 'seen');
  });

  it('of one at work keeps its task for it, and a start lets the same attempt go on', async () => {
    await using test = await bench();
    const { id } = await submitSteps(test, [
      { write: { path: 'half', content: 'x' } },
      { once: 'held', hold: 'go', say: 'on' },
      { text: 'end' },
    ]);
    const task = await test.until('the file', () => {
      const [one] = test.store.read.tasks.list({ requestId: id, state: 'working' });
      const attempt = one?.attemptId ? test.store.read.attempts.need(one.attemptId) : null;
      return attempt && existsSync(join(attempt.workspace, 'half')) && one;
    });
    const agent = task.agent ?? '';
    const stopped = await stop(test, agent);
    expect(stopped).toMatchObject({ state: 'stopped', unsaved: ['half'], exitCode: 0 });
    await test.restart();
    expect(test.engine.explain(task.id).lines.join('\n')).toContain(`gantry agent start ${agent}`);
    await test.release('go');
    expect(await test.engine.agents.start({ agent }, person)).toMatchObject({ cause: 'resumed session' });
    expect(await over(test, id)).toMatchObject({ state: 'done' });
    expect(test.store.read.attempts.list({ requestId: id })).toHaveLength(1);
  });
});
