import { describe, expect } from 'vitest';
import type { Session } from '../../src/contract/session.ts';
import { scenario } from '../support/scenario.ts';
import type { World } from '../support/world.ts';

const OPEN = { config: { limits: { maxParallel: 10 } } };

/** The facts of one thing, as `from → to`. */
const movesOf = (world: World, kind: string, id: string): string[] =>
  world.journal.facts.flatMap((fact) =>
    fact.kind === kind && 'row' in fact.data && fact.data.row.id === id && fact.data.from !== fact.data.to
      ? [`${fact.data.from} → ${fact.data.to}`]
      : [],
  );

describe('sessions (A2)', () => {
  scenario(
    'one, then three at once, are ready and answer, each in a directory and a conversation of its own',
    OPEN,
    async (world) => {
      const started: Session[] = [];
      const answered = async (words: string): Promise<void> => {
        const { id } = await world.submitOne([{ text: `heard ${words}` }], {}, `Say ${words}.`);
        expect(await world.over(id)).toMatchObject({ state: 'done' });
        const task = await world.task(id, 'T1', 'done');
        expect(task.result?.summary).toBe(`heard ${words}`);
        const session = [...world.journal.view.sessions.values()].find((s) => s.attemptId === task.attemptId);
        if (session) started.push(session);
      };
      await answered('one');
      await Promise.all(['two', 'three', 'four'].map(answered));
      expect(new Set(started.map((session) => session.nativeId)).size).toBe(4);
      expect(new Set(started.map((session) => session.directory)).size).toBe(4);
      for (const { id } of started) {
        expect(movesOf(world, 'session.changed', id)).toEqual([
          'null → starting',
          'starting → running',
          'running → stopped',
        ]);
      }
    },
  );
});

describe('an assignment (A3)', () => {
  scenario('is written down before the model is asked, and the task is told once', {}, async (world) => {
    const { id } = await world.submitOne(
      [{ run: 'true' }, { write: { path: 'made.txt', content: 'made\n' } }, { run: 'true' }, { text: 'made it' }],
      {},
      'Make it.\nIt is called mark-a3.',
    );
    expect(await world.over(id)).toMatchObject({ state: 'done', cause: null });
    const task = await world.task(id, 'T1', 'done');
    expect(task).toMatchObject({ state: 'done', attempts: 1, result: { summary: 'made it' } });
    expect(movesOf(world, 'task.changed', task.id)).toEqual([
      'null → ready',
      'ready → assigned',
      'assigned → working',
      'working → verifying',
      'verifying → done',
    ]);
    const requests = await world.agent.requests();
    expect(requests).toHaveLength(4);
    for (const { text } of requests) expect(text.split('mark-a3')).toHaveLength(2);
    const assigned = world.journal.facts.find((f) => f.kind === 'task.changed' && f.data.to === 'assigned');
    expect(assigned?.at).toBeLessThanOrEqual(requests[0]?.at ?? 0);
    const prompts = await world.agent.promptsTaken();
    expect(prompts).toHaveLength(1);
    expect(await world.project.git(['show', `${task.result?.branch}:made.txt`])).toBe('made');
  });
});

describe('a message to an agent without a session (A5)', () => {
  scenario('is given once, to its next session; one that expired before is never given', {}, async (world) => {
    const first = await world.submitOne([{ text: 'done' }]);
    await world.over(first.id);
    const { agent } = await world.task(first.id, 'T1', 'done');
    const sent = await world.gantry(['send', String(agent), 'mark-kept: look at this', '--json']);
    expect(sent).toMatchObject({ code: 0 });
    const kept = sent.json() as { readonly id: string; readonly state: string };
    expect(kept.state).toBe('queued');
    const late = (
      await world.gantry(['send', String(agent), 'mark-late: too late', '--ttl', '1s', '--json'])
    ).json() as {
      readonly id: string;
    };
    const expired = await world.until('the expiry', ({ messages }) => {
      const message = messages.get(late.id);
      return message?.state === 'expired' && message;
    });
    expect(expired.cause).toBe('nobody took it before it expired');
    const inbox = (await world.gantry(['inbox', String(agent), '--json'])).json() as readonly {
      readonly id: string;
      readonly state: string;
      readonly cause: string | null;
    }[];
    expect(inbox.find((message) => message.id === late.id)).toMatchObject({ state: 'expired', cause: expired.cause });
    expect(inbox.find((message) => message.id === kept.id)).toMatchObject({ state: 'queued' });

    const { id } = await world.submitOne([{ run: 'true' }, { run: 'true' }, { text: 'read it' }]);
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect((await world.task(id, 'T1', 'done')).agent).toBe(agent);
    expect(movesOf(world, 'message.changed', kept.id)).toEqual([
      'null → queued',
      'queued → delivered',
      'delivered → seen',
    ]);
    expect(movesOf(world, 'message.changed', late.id)).toEqual(['null → queued', 'queued → expired']);
    const texts = (await world.agent.requests()).map(({ text }) => text);
    expect(texts.map((text) => text.split('mark-kept').length - 1)).toEqual([0, 1, 1, 1]);
    expect(texts.join('')).not.toContain('mark-late');
  });
});

describe('work that fails (A9)', () => {
  const failing = { config: { roles: { worker: { maxAttempts: 2 }, once: { maxAttempts: 1 } } } };

  scenario(
    'is tried again in the same workspace, told what failed, and then left to a person',
    failing,
    async (world) => {
      const { id } = await world.submitOne([
        { write: { path: 'half.txt', content: 'half\n' } },
        { fail: 'the model is broken: first' },
        { fail: 'the model is broken: second' },
      ]);
      const task = await world.task(id, 'T1', 'waiting');
      expect(task).toMatchObject({
        attempts: 2,
        failure: { class: 'model', message: expect.stringContaining('second') },
      });
      expect(task.cause).toContain('2 attempts failed');
      const attempts = [...world.journal.view.attempts.values()].filter((attempt) => attempt.taskId === task.id);
      expect(attempts.map(({ state, failure }) => [state, failure?.message])).toEqual([
        ['failed', expect.stringContaining('the model is broken: first')],
        ['failed', expect.stringContaining('the model is broken: second')],
      ]);
      expect(attempts[0]?.workspace).toBe(attempts[1]?.workspace);
      const requests = await world.agent.requests();
      expect(requests.at(-1)?.text).toContain('the model is broken: first');
      const alerts = await world.until('the alert', () => {
        const opened = world.journal.facts.filter((fact) => fact.kind === 'alert.opened');
        return opened.length > 0 && opened;
      });
      expect(alerts.map(({ data }) => data.key)).toEqual([`task:${task.id}`]);
      const status = (await world.gantry(['status', '--json'])).json() as {
        readonly alerts: readonly { readonly text: string }[];
      };
      expect(status.alerts.map(({ text }) => text).join()).toContain(`gantry retry ${task.id}`);
      const explained = await world.gantry(['explain', task.id]);
      expect(explained.stdout).toContain('the model is broken: second');

      const advice = `Do it otherwise. ${world.agent.play({ text: 'mended' })}`;
      expect(await world.gantry(['send', String(task.agent), advice])).toMatchObject({ code: 0 });
      const again = await world.gantry(['retry', task.id, '--json']);
      expect(again).toMatchObject({ code: 0 });
      expect(await world.until('the mended work', ({ tasks }) => tasks.get(task.id)?.state === 'done')).toBe(true);
      expect(world.journal.facts.filter((fact) => fact.kind === 'alert.closed').map(({ data }) => data.key)).toEqual([
        `task:${task.id}`,
      ]);
      expect(await world.project.git(['show', `gantry/${id.slice('req_'.length)}:half.txt`])).toBe('half');
    },
  );

  scenario('is not tried again where one attempt is all', failing, async (world) => {
    const run = await world.gantry([
      'run',
      '--single',
      '--yes',
      '--json',
      '--role',
      'once',
      `Do it.\n${world.agent.play({ fail: 'the model is broken' }, { text: 'never' })}`,
    ]);
    expect(run).toMatchObject({ code: 1 });
    expect(run.json()).toMatchObject({
      state: 'failed',
      tasks: [
        {
          state: 'failed',
          attempts: 1,
          failure: { class: 'model', message: expect.stringContaining('the model is broken') },
        },
      ],
    });
    expect(await world.agent.requests()).toHaveLength(1);
  });
});

describe('one prompt, one answer', () => {
  const exec = (world: World, format: string, prompt: string) =>
    world.gantry(['exec', '-p', prompt, '-f', format, '-q', '-c', world.project.root]);

  scenario('is one line of JSON or the text alone, and the prompt reaches the model as it is', {}, async (world) => {
    const words = `say "hi" $(x) \\n 'ü' ${world.agent.play({ text: 'one\nanswer' })}`;
    const told = await exec(world, 'json', words);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toMatch(/^.*\n$/);
    const [asked] = await world.agent.requests();
    expect(told.json()).toEqual({ content: 'one\nanswer', session_id: asked?.nativeId });
    expect(asked?.text).toContain(words);
    expect(await exec(world, 'text', words)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^one\nanswer\n?$/),
    });
    expect(await world.project.git(['status', '--porcelain'])).toBe('');
  });

  scenario('is an error where the model fails', {}, async (world) => {
    const failed = await exec(world, 'json', world.agent.play({ fail: 'the model is broken' }));
    expect(failed.code).not.toBe(0);
    const [asked] = await world.agent.requests();
    expect(failed.json()).toMatchObject({
      error: { code: expect.any(String), message: expect.stringContaining('the model is broken') },
      session_id: asked?.nativeId,
    });
  });
});

const NO_HISTORY = { fake: 'it keeps no conversations', claude: 'of it only the person’s own sessions are read' };

scenario(
  'past conversations are listed, read, searched and exported while OpenCode writes',
  { not: NO_HISTORY },
  async (world) => {
    const secret = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789';
    const { id } = await world.submitOne([
      { run: `echo mark-tool ${secret}` },
      { hold: 'later', text: 'the last words' },
    ]);
    const session = await world.until('the tool', ({ sessions }) => {
      const ended = world.journal.facts.find(({ kind, requestId }) => kind === 'tool.ended' && requestId === id);
      return sessions.get(ended?.sessionId ?? '');
    });
    const native = String(session.nativeId);
    const list = await world.gantry(['history', 'sessions', '--source', 'opencode', '--json']);
    expect(list.json() as readonly { id: string }[]).toContainEqual(expect.objectContaining({ id: native }));
    const shown = await world.gantry(['history', 'messages', native]);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('mark-tool') });
    const found = await world.gantry(['history', 'search', 'mark-tool', '--json']);
    expect(found.json() as readonly { sessionId: string }[]).toContainEqual(
      expect.objectContaining({ sessionId: native }),
    );
    await world.agent.release('later');
    await world.over(id);
    const written = await world.gantry(['history', 'export', native, '-f', 'json']);
    const { messages } = JSON.parse(written.stdout) as { messages: readonly { parts: readonly { type: string }[] }[] };
    expect(`${shown.stdout}${found.stdout}${written.stdout}`).not.toContain(secret);
    expect((await world.gantry(['history', 'export', native])).stdout).toContain('the last words');
    const kinds = messages.flatMap(({ parts }) => parts.map(({ type }) => type));
    expect(kinds).toEqual(expect.arrayContaining(['text', 'tool', 'step']));
  },
);
