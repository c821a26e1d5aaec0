import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { documentOf } from '../support/cli.ts';
import { type CliBench, openCliBench, requestFor, write } from '../support/cli-bench.ts';

let bench: CliBench;
beforeAll(async () => {
  bench = await openCliBench({ limits: { maxAttempts: 1, retryBackoff: 10 } });
});
afterAll(() => bench[Symbol.asyncDispose]());

const THREE = requestFor(
  { id: 'T1', steps: [write('a.txt')], check: 'test -f a.txt' },
  { id: 'T2', steps: [write('b.txt')] },
  { id: 'T3', steps: [write('c.txt')], needs: ['T1', 'T2'], check: 'test -f a.txt && test -f b.txt' },
);

type RunDocument = {
  readonly requestId: string;
  readonly state: string;
  readonly tasks: readonly { readonly id: string; readonly state: string }[];
  readonly result: { readonly branch: string };
};

describe('gantry run', () => {
  it('plans, carries out and prints one document, progress beside it', async () => {
    const result = await bench.run(['run', THREE, '--json']);
    expect(result.code).toBe(0);
    const document = documentOf(result) as RunDocument;
    expect(document).toMatchObject({
      state: 'done',
      plan: { source: 'model', tasks: [{ id: 'T1' }, { id: 'T2' }, { id: 'T3', dependsOn: ['T1', 'T2'] }] },
      tasks: [
        {
          label: 'T1',
          state: 'done',
          backend: 'fake',
          attempts: 1,
          filesChanged: [{ path: 'a.txt', status: 'added' }],
        },
        { label: 'T2', state: 'done' },
        { label: 'T3', state: 'done', checks: [{ isMet: true, exitCode: 0 }] },
      ],
      result: { filesChanged: [{ path: 'a.txt' }, { path: 'b.txt' }, { path: 'c.txt' }] },
      usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number), costUsd: null },
      durationMs: expect.any(Number),
    });
    expect(result.stderr).toContain('T3 done');
    expect(await bench.repo.git(['show', `${document.result.branch}:c.txt`])).toBe('c.txt');
  });

  it('reads the request from standard input and prints the result for people', async () => {
    const { code, stdout } = await bench.run(['run', '-'], { stdin: THREE });
    expect(code).toBe(0);
    for (const words of ['TASK  TITLE', '✓ T3 Task T3', 'A c.txt', 'merge gantry/', 'cost unknown']) {
      expect(stdout).toContain(words);
    }
    expect(stdout).not.toContain('\u001b');
  });

  it('ends with 1 when a task fails, and skips what depends on it', async () => {
    const broken = [{ fail: { message: 'no way', class: 'auth' } }];
    const { code, stdout, stderr } = await bench.run([
      'run',
      '--quiet',
      requestFor({ id: 'T1', steps: broken }, { id: 'T2', steps: [write('x')], needs: ['T1'] }),
    ]);
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).not.toContain('BUDGET');
    expect(stdout).toContain('no way');
    expect(stdout).toContain('gantry explain req_');
  });

  it('ends with 6 when the time is over', async () => {
    const slow = requestFor({ id: 'T1', steps: [{ silent: 600_000 }] });
    const { code } = await bench.run(['run', slow, '--timeout', '1s', '--json']);
    expect(code).toBe(6);
  });

  it('shows what is asked, goes on when another command allows it', async () => {
    const cli = bench.start(
      'run',
      requestFor({ id: 'T1', steps: [{ run: { command: 'touch asked.txt' } }], check: 'test -f asked.txt' }),
    );
    await cli.shows('gantry approve apr_');
    expect(cli.output).toContain('bash: touch asked.txt');
    const id = /gantry approve (apr_\w+)/.exec(cli.output)?.[1] ?? '';
    expect((await bench.run(['approvals'])).stdout).toContain('touch asked.txt');
    expect(await bench.json('show', id)).toMatchObject({ id, state: 'pending' });
    const allowed = await bench.run(['approve', id, '--for', 'session', '--ttl', '1h']);
    expect(allowed.stdout).toContain('allowed for this session by person: ');
    expect((await cli.exited).code).toBe(0);
    expect((await bench.run(['approve', id])).code).toBe(1);
    expect((await bench.run(['grants'])).stdout).toContain('touch asked.txt');
  });

  it('answers a question of an agent', async () => {
    const question = { question: 'Which colour?', options: [{ label: 'red', description: '' }] };
    const cli = bench.start(
      'run',
      requestFor({ id: 'T1', steps: [{ question }, { text: 'It is {{lastToolOutput}}' }] }),
    );
    await cli.shows('gantry answer apr_');
    const id = /gantry answer (apr_\w+)/.exec(cli.output)?.[1] ?? '';
    expect((await bench.run(['answer', id])).code).toBe(2);
    expect((await bench.run(['answer', id, 'red'])).stdout).toContain('answered');
    expect((await cli.exited).code).toBe(0);
  });

  it('cancels at the first Ctrl-C', async () => {
    const cli = bench.start('run', requestFor({ id: 'T1', steps: [{ silent: 600_000 }] }));
    await cli.shows('T1 working');
    cli.child.kill('SIGINT');
    const { code, stdout } = await cli.exited;
    expect(code).toBe(5);
    expect(stdout).toContain('cancelled');
  });

  it('can be left running and looked at', async () => {
    const detached = await bench.run(['run', THREE, '--detach']);
    const id = detached.stdout.trim();
    expect(id).toMatch(/^req_/);
    const logs = await bench.run(['logs', id]);
    expect(logs.code).toBe(0);
    await using follower = bench.start('logs', id, '-f');
    await follower.shows('-- done');
    follower.child.kill('SIGINT');
    expect((await follower.exited).code).toBe(0);
    await using log = bench.start('logs', 'daemon', '-f');
    await log.shows('info  started');
    log.child.kill('SIGINT');
    expect((await log.exited).code).toBe(0);
    const document = (await bench.json('show', id)) as RunDocument;
    expect(document.state).toBe('done');
    const [task] = document.tasks;
    expect((await bench.run(['explain', id])).stdout).toContain('is done');
    expect((await bench.run(['show', task?.id ?? ''])).stdout).toContain('Task T1');
    expect((await bench.run(['diff', id])).stdout).toContain('+++ b/a.txt');
    expect(await bench.json('tasks', '--request', id)).toHaveLength(3);
    expect(await bench.json('requests', '-n', '1')).toMatchObject([{ id }]);
    // Two at the least: one that was cancelled before may not have been free yet.
    const agents = (await bench.json('agents')) as readonly unknown[];
    expect(agents.length).toBeGreaterThanOrEqual(2);
    for (const agent of agents) expect(agent).toMatchObject({ backend: 'fake', role: 'worker', cost: null });
    expect(await bench.json('events', '--recent', '3', '--type', 'task.changed')).toHaveLength(3);
    expect(await bench.json('events', '--recent', '1', '--source', 'person')).toMatchObject([{ actor: 'person' }]);
    expect((await bench.run(['retry', id])).code).toBe(1);
  });
});

describe('what is followed', () => {
  it('goes on with what happens until Ctrl-C', async () => {
    await bench.run(['run', requestFor({ id: 'T1', steps: [write('x.txt')] })]);
    await using events = bench.start('events', '-f', '-n', '1', '--type', 'request.changed', '--json');
    await using agents = bench.start('agents', '--watch');
    await agents.shows('BACKEND');
    const { requestId } = (await bench.json('plan', THREE)) as { readonly requestId: string };
    await events.shows(`"requestId":"${requestId}"`);
    events.child.kill('SIGINT');
    agents.child.kill('SIGINT');
    const { code, stdout } = await events.exited;
    expect([code, (await agents.exited).code]).toEqual([0, 0]);
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ kind: 'request.changed' });
  });
});

describe('gantry plan', () => {
  it('runs nothing until it is told to', async () => {
    const document = (await bench.json('plan', THREE)) as { readonly requestId: string };
    expect(document).toMatchObject({ plan: { source: 'model', tasks: [{ id: 'T1' }, {}, {}] }, usage: {} });
    expect(await bench.json('tasks', '--request', document.requestId)).toEqual([]);
    expect(await bench.json('resume', document.requestId)).toMatchObject({ state: 'running' });
  });

  it('says why it fell back, and exits 0', async () => {
    const prose = 'Do it. @@fake [{"text":"I would rather not."}]';
    const json = await bench.run(['plan', prose, '--json']);
    expect(json.code).toBe(0);
    expect(documentOf(json)).toMatchObject({
      plan: { source: 'fallback', fallbackReason: 'no_json', tasks: [{ id: 'T1' }] },
    });
    expect((await bench.run(['plan', prose])).stdout).toContain('No model made this plan (no_json)');
  });

  it.each([
    ['a directory that is none', ['--project', '/nowhere/at/all'], 'project_not_directory'],
    ['a directory without git', ['--project', '/tmp'], 'project_not_git'],
    ['a project that is unknown', ['--project', 'nobody-knows-it'], 'not_found'],
    ['a backend that is unknown', ['--backend', 'nothing'], 'backend_unknown'],
  ])('refuses %s', async (_what, args, code) => {
    expect(await bench.json('plan', 'x', ...args)).toMatchObject({ error: { code } });
  });
});

describe('gantry exec', () => {
  it.each(['/no/such/place', 'no-such-place'])('refuses to work in %s', async (place) => {
    const { code, stdout } = await bench.run(['exec', '-p', '@@fake [{"text":"x"}]', '-f', 'json', '-c', place]);
    expect([code, stdout]).toEqual([2, expect.stringContaining(place)]);
  });

  it('answers in one line with the native session id', async () => {
    const prompt = '-p "quoted" $(x)\nsecond line @@fake [{"text":"the answer"}]';
    const { code, stdout } = await bench.run(['exec', '-p', prompt, '-f', 'json', '-q', '-c', bench.repo.root]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ content: 'the answer', session_id: expect.stringMatching(/^fake_/) });
    expect(stdout.trim()).not.toContain('\n');
    const text = await bench.run(['exec', '-p', '-', '-c', bench.repo.root], { stdin: prompt });
    expect(text.stdout).toBe('the answer\n');
  });

  it('says what failed, with the session', async () => {
    const { code, stdout } = await bench.run(['exec', '-f', 'json', '-p', '@@fake [{"fail":{"message":"broken"}}]']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'backend_failed', message: 'broken' },
      session_id: expect.any(String),
    });
  });
});

describe('the prompt in a pipe', () => {
  it('plans, asks, carries out and takes commands, without colours or prompts', async () => {
    // A home in which nobody has worked yet.
    await using own = await openCliBench();
    const lines = ['help', 'agents', THREE, 'y', '/tasks -n 1', '/nothing', 'q', 'never'];
    const { code, stdout, stderr } = await own.run([], { stdin: `${lines.join('\n')}\n` });
    expect(code).toBe(0);
    expect(stdout).toContain('planner  fake');
    expect(stdout).toContain('/approve <id>');
    expect(stdout).toContain('No agents.');
    expect(stdout).toContain('✓ T3 Task T3');
    expect(stdout).toContain('AGENT');
    expect(stderr).toContain('Carry out? [y/N]');
    expect(stderr).toContain('there is no command /nothing');
    for (const none of ['\u001b', 'gantry> ', 'never']) expect(stdout + stderr).not.toContain(none);
  });

  it('goes on with the conversation of the project after it was left', async () => {
    await using model = await startScriptedModel();
    await using own = await openCliBench({ planner: { model: 'ollama/any', endpoint: `${model.url}/v1` } });
    const says = (text: string, reply: object): string =>
      `${text} @@model ${JSON.stringify([{ text: JSON.stringify(reply) }])}\n`;
    const first = await own.run([], { stdin: says('Start a server', { question: 'Which port?' }) });
    expect(first.stdout).toContain('Which port?');
    await own.run(['run', '--yes', '-'], { stdin: says('Alone', { reply: 'no turn of it' }) });
    const next = await own.run([], { stdin: says('8080', { reply: 'As you wish.' }) });
    expect(next.stdout).toMatch(/last turn +Start a server .*\(done\)/);
    expect(next.stdout).toContain('As you wish.');
    const prompt = model.requests().at(-1)?.lastUserText;
    expect(prompt).toContain('answered: "Which port?"');
    expect(prompt).not.toContain('no turn of it');
    const dry = await own.run(['plan', '--dry-run', 'One more']);
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringMatching(/planner +ollama\/any.*Request:\nOne more/s)]);
    expect(model.requests()).toHaveLength(3);
  });

  it('takes the end of its input as a no, and leaves', async () => {
    const { code, stderr } = await bench.run([], { stdin: `${THREE}\n` });
    expect(code).toBe(0);
    expect(stderr).toContain('Nothing was run.');
  });
});

describe('the daemon from the command line', () => {
  it('starts once, says where it is, and stops', async () => {
    await using own = await openCliBench();
    const first = await own.run(['up']);
    expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(/^running at http:/)]);
    expect((await own.run(['up'])).stdout).toMatch(/^already running at /);
    expect((await own.run(['status'])).code).toBe(0);
    const link = await own.run(['open']);
    expect(link.stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/login\?code=\S+\n$/);
    const token = (await own.run(['token', '--scope', 'read', '--ttl', '1h'])).stdout.trim();
    expect((await own.run(['requests', '--token', token])).code).toBe(0);
    expect((await own.run(['project', 'add', '--token', token])).code).toBe(3);
    expect((await own.run(['requests', '--token', 'gty_wrong'])).code).toBe(4);
    expect((await own.run(['project', 'add', '--name', 'mine'])).stdout).toContain('mine is ');
    expect(await own.json('project', 'ls')).toMatchObject([{ name: 'mine', isTrusted: false }]);
    expect((await own.run(['project', 'rm', 'mine'])).code).toBe(0);
    const unnamed = await own.run(['inbox', 'read']);
    expect([unnamed.code, unnamed.stderr]).toEqual([2, expect.stringContaining('accepted: inbox read mail_…')]);
    expect((await own.run(['policy', 'test', 'git push origin'])).stdout).toMatch(/by rule: /);
    expect((await own.run(['config', 'explain', 'limits.maxParallel'])).stdout).toContain('built-in');
    expect((await own.run(['config', 'explain', 'limits.maxParalel'])).code).not.toBe(0);
    expect((await own.run(['down'])).stdout).toMatch(/^stopped /);
    expect((await own.run(['status'])).code).toBe(4);
  });

  it('runs in the foreground until Ctrl-C', async () => {
    await using own = await openCliBench();
    const cli = own.start('up', '--foreground');
    await cli.shows('Ctrl-C stops it');
    expect((await own.run(['status'])).code).toBe(0);
    cli.child.kill('SIGINT');
    expect((await cli.exited).code).toBe(0);
    expect((await own.run(['status'])).code).toBe(4);
  });

  it('refuses a configuration with an unknown key, by name and line', async () => {
    await using own = await openCliBench({ limts: {} });
    const { code, stderr } = await own.run(['requests']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/config\.jsonc:\d+: limts: unknown key "limts" \(did you mean "limits"\?\)/);
  });
});
