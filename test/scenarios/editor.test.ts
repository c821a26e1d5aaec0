import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import {
  type ClientConnection,
  client,
  ndJsonStream,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionUpdate,
} from '@agentclientprotocol/sdk';
import { describe, expect } from 'vitest';
import { deferred } from '../../src/base/wait.ts';
import { cliCommand } from '../support/cli.ts';
import { scenario } from '../support/scenario.ts';
import { planText, type World } from '../support/world.ts';

/** An editor: `gantry acp` as its agent, over stdio. */
class Editor implements AsyncDisposable {
  readonly updates: SessionUpdate[] = [];
  readonly dialogs: RequestPermissionRequest[] = [];
  readonly connection: ClientConnection;
  readonly #exited: Promise<unknown>;
  readonly #end: () => void;

  /** `answer` is the person at the editor; without it dialogs stay open. */
  constructor(world: World, answer: (request: RequestPermissionRequest) => string | null = () => null) {
    const [program = '', ...args] = cliCommand('acp');
    const child = spawn(program, args, { cwd: world.project.root, env: world.env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#exited = once(child, 'exit');
    this.#end = () => child.stdin.end();
    const stream = ndJsonStream(
      Writable.toWeb(child.stdin),
      Readable.toWeb(child.stdout) as unknown as ReadableStream<Uint8Array>,
    );
    this.connection = client({ name: 'editor' })
      .onNotification('session/update', ({ params }) => void this.updates.push(params.update))
      .onRequest('session/request_permission', async ({ params, signal }) => {
        this.dialogs.push(params);
        const optionId = answer(params);
        if (optionId !== null) return { outcome: { outcome: 'selected', optionId } };
        const closed = deferred<RequestPermissionResponse>();
        signal.addEventListener('abort', () => closed.resolve({ outcome: { outcome: 'cancelled' } }));
        return await closed.promise;
      })
      .connect(stream);
  }

  async open(cwd: string): Promise<string> {
    await this.connection.agent.request('initialize', { protocolVersion: 1 });
    return (await this.connection.agent.request('session/new', { cwd, mcpServers: [] })).sessionId;
  }

  prompt(sessionId: string, text: string) {
    return this.connection.agent.request('session/prompt', { sessionId, prompt: [{ type: 'text', text }] });
  }

  get said(): string {
    return this.updates
      .flatMap((update) => (update.sessionUpdate === 'agent_message_chunk' ? [update.content] : []))
      .map((content) => (content.type === 'text' ? content.text : ''))
      .join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#exited;
  }
}

describe('gantry acp', () => {
  scenario('a prompt of an editor is planned and carried out, and the editor sees how', {}, async (world) => {
    await using editor = new Editor(world);
    const session = await editor.open(world.project.root);
    const text = planText(world.agent, [
      { id: 'T1', acts: [{ write: { path: 'a.txt', content: 'a\n' } }, { text: 'made a' }] },
      { id: 'T2', acts: [{ write: { path: 'b.txt', content: 'b\n' } }, { text: 'made b' }], needs: ['T1'] },
    ]);
    expect(await editor.prompt(session, text)).toMatchObject({ stopReason: 'end_turn' });
    const plans = editor.updates.flatMap((update) => (update.sessionUpdate === 'plan' ? [update.entries] : []));
    expect(plans.at(-1)).toMatchObject([
      { content: 'T1 Task T1', status: 'completed' },
      { content: 'T2 Task T2', status: 'completed' },
    ]);
    expect(plans.some((entries) => entries.some(({ status }) => status === 'in_progress'))).toBe(true);
    expect(editor.updates).toContainEqual(
      expect.objectContaining({
        sessionUpdate: 'agent_thought_chunk',
        content: expect.objectContaining({ text: expect.stringContaining('made a') }),
      }),
    );
    const calls = editor.updates.flatMap((update) => (update.sessionUpdate === 'tool_call' ? [update.toolCallId] : []));
    expect(new Set(calls).size).toBe(calls.length);
    const [request] = [...world.journal.view.requests.values()];
    expect(editor.said).toContain(request?.branch);
    expect(editor.said).toContain('added b.txt');
    expect(await world.project.git(['show', `${request?.branch}:b.txt`])).toContain('b');
  });

  const ASKING = { config: { policy: { default: 'ask' as const, rules: [] } } };

  scenario('a permission is asked for in the editor, and its answer is the inbox’s', ASKING, async (world) => {
    await using editor = new Editor(world, () => 'once');
    const session = await editor.open(world.project.root);
    await editor.connection.agent.request('session/set_mode', { sessionId: session, modeId: 'single' });
    const acts = world.agent.play({ run: 'make everything' }, { text: 'tried it' });
    expect(await editor.prompt(session, `Do it.\n${acts}`)).toMatchObject({ stopReason: 'end_turn' });
    expect(editor.dialogs.map(({ toolCall }) => toolCall.rawInput)).toContainEqual(
      expect.objectContaining({ tool: 'bash', command: 'make everything' }),
    );
    const { items } = await world.call('approvals.list', { all: 'true' });
    expect(items).toContainEqual(
      expect.objectContaining({ state: 'allowed', decision: expect.objectContaining({ scope: 'once' }) }),
    );
  });

  scenario('an answer from elsewhere closes the editor’s dialog', ASKING, async (world) => {
    await using editor = new Editor(world);
    const session = await editor.open(world.project.root);
    await editor.connection.agent.request('session/set_mode', { sessionId: session, modeId: 'single' });
    const acts = world.agent.play({ run: 'make everything' }, { text: 'was told no' });
    const prompt = editor.prompt(session, `Do it.\n${acts}`);
    const approval = await world.until('a question', ({ approvals }) =>
      [...approvals.values()].find(({ state }) => state === 'pending'),
    );
    await world.call('approvals.deny', { id: approval.id, reason: 'not here' });
    expect(await prompt).toMatchObject({ stopReason: 'end_turn' });
  });

  scenario('cancel in the editor cancels the request', {}, async (world) => {
    await using editor = new Editor(world);
    const session = await editor.open(world.project.root);
    await editor.connection.agent.request('session/set_mode', { sessionId: session, modeId: 'single' });
    const prompt = editor.prompt(session, `Do it.\n${world.agent.play({ hold: 'never', text: 'never' })}`);
    const request = await world.until('a request that runs', ({ tasks }) =>
      [...tasks.values()].find(({ state }) => state === 'working'),
    );
    await expect(editor.prompt(session, 'another')).rejects.toMatchObject({
      message: expect.stringContaining('already'),
    });
    await editor.connection.agent.notify('session/cancel', { sessionId: session });
    expect(await prompt).toMatchObject({ stopReason: 'cancelled' });
    expect(await world.over(request.requestId)).toMatchObject({
      state: 'cancelled',
      cause: expect.stringContaining('editor'),
    });
  });

  scenario('what cannot be done is said with its cause', {}, async (world) => {
    await using editor = new Editor(world);
    const session = await editor.open(world.userHome);
    await expect(editor.prompt(session, 'Do it.')).rejects.toMatchObject({ data: { code: 'project_not_git' } });
    const setMode = editor.connection.agent.request('session/set_mode', { sessionId: session, modeId: 'fast' });
    await expect(setMode).rejects.toMatchObject({ message: expect.stringContaining('run, plan, single') });
    const nowhere = editor.connection.agent.request('session/new', { cwd: 'relative', mcpServers: [] });
    await expect(nowhere).rejects.toMatchObject({ message: expect.stringContaining('absolute') });
    await expect(editor.prompt(session, '@p/worker/nobody hello')).rejects.toMatchObject({
      data: { code: 'not_found' },
    });
  });

  scenario('a plan only is told and not run', {}, async (world) => {
    await using editor = new Editor(world);
    const session = await editor.open(world.project.root);
    await editor.connection.agent.request('session/set_mode', { sessionId: session, modeId: 'plan' });
    const text = planText(world.agent, [{ id: 'T1', acts: [{ text: 'never' }] }]);
    expect(await editor.prompt(session, text)).toMatchObject({ stopReason: 'end_turn' });
    expect(editor.said).toContain('nothing was run');
  });
});
