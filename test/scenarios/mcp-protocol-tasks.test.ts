import type { Client } from '@modelcontextprotocol/client';
import { describe, expect } from 'vitest';
import { z } from 'zod';
import { requestOf } from '../../src/contract/delegation.ts';
import type { RequestId } from '../../src/contract/ids.ts';
import { isRequestOver } from '../../src/contract/request.ts';
import { httpClient, stdioClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';
import type { Act } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

const NOT = { opencode: 'what is asked is the protocol, not the agent program' };
const config = { policy: { default: 'allow' as const, rules: [{ action: 'ask' as const, tool: 'bash' }] } };
const agent_id = 'agent-a';
const EXTENSION = 'io.modelcontextprotocol/tasks';

const Task = z.looseObject({ taskId: z.string(), status: z.string(), statusMessage: z.string(), ttl: z.null() });
const Made = z.looseObject({ task: Task });
const Result = z.looseObject({ structuredContent: z.looseObject({ status: z.string() }), _meta: z.looseObject({}) });

/** A client of 2025-11-25 that has tasks. */
const tasksOf = (client: Client) => ({
  start: async (args: object, name = 'opencode_execute_task') => {
    const params = { name, arguments: { agent_id, ...args }, task: { ttl: 60_000 } };
    return (await client.request({ method: 'tools/call', params }, Made)).task;
  },
  get: (taskId: string) => client.request({ method: 'tasks/get', params: { taskId } }, Task),
  result: (taskId: string) => client.request({ method: 'tasks/result', params: { taskId } }, Result),
  list: () => client.request({ method: 'tasks/list' }, z.looseObject({ tasks: z.array(Task) })),
  cancel: (taskId: string) => client.request({ method: 'tasks/cancel', params: { taskId } }, Task),
});

describe('tasks of protocol version 2025-11-25', () => {
  scenario('are the same tasks, by either transport', { not: NOT, config }, async (world) => {
    const token = await tokenOf(world, 'admin');
    const forms: string[] = [];
    const elicit = ({ message }: { readonly message: string }) => {
      forms.push(message);
      return { action: 'accept' as const, content: { decision: 'once' } };
    };
    await using http = await httpClient(world, { token, elicit });
    await using stdio = await stdioClient(world, token, [], elicit);
    for (const { client, tool } of [http, stdio]) {
      const tasks = tasksOf(client);
      const { tools } = await client.listTools();
      const able = tools.filter(({ execution }) => execution?.taskSupport === 'optional').map(({ name }) => name);
      expect(able).toEqual(['opencode_execute_task']);
      const acts = [{ run: 'echo ran > ran.txt' }, { text: 'done it' }];
      const made = await tasks.start({ task_description: `Go.\n${world.agent.play(...acts)}`, sync: true });
      expect(made).toMatchObject({ status: 'working' });
      const { taskId } = made;
      await world.until('a question', ({ approvals }) =>
        [...approvals.values()].some(
          ({ state, requestId }) => state === 'pending' && requestId === requestOf(String(taskId)),
        ),
      );
      expect(await tasks.get(taskId)).toMatchObject({ status: 'input_required', statusMessage: 'waits for approval' });
      // Whoever waits for the result is asked.
      const { structuredContent, _meta } = await tasks.result(taskId);
      expect(structuredContent).toMatchObject({ task_id: taskId, status: 'completed', output: 'done it' });
      expect(_meta).toEqual({ 'io.modelcontextprotocol/related-task': { taskId } });
      expect(await tasks.get(taskId)).toMatchObject({ status: 'completed' });
      expect((await tasks.list()).tasks.map((task) => task.taskId)).toContain(taskId);
      expect((await tool('get_task_status', { task_id: taskId })).value).toMatchObject({ status: 'completed' });
      await expect(tasks.cancel(taskId)).rejects.toMatchObject({ code: -32602 });
      await expect(tasks.get('task-nobody')).rejects.toMatchObject({ code: -32602 });
      await expect(tasks.start({}, 'ping')).rejects.toMatchObject({ code: -32601 });
      await expect(tasks.start({ task_description: '' })).rejects.toMatchObject({ code: -32602 });
      const held = await tasks.start({ task_description: `Go.\n${world.agent.play({ hold: 'never' })}` });
      expect(await tasks.cancel(held.taskId)).toMatchObject({ status: 'cancelled' });
      expect((await tasks.result(held.taskId)).structuredContent).toMatchObject({ status: 'cancelled' });
    }
    expect(forms).toHaveLength(2);
  });

  scenario('are seen by their own caller only', { not: NOT }, async (world) => {
    await using a = await httpClient(world, { token: await tokenOf(world, 'operate', ['agent-a']) });
    await using b = await httpClient(world, { token: await tokenOf(world, 'operate', ['agent-b']) });
    const made = await tasksOf(a.client).start({ task_description: `Go.\n${world.agent.play({ text: 'ok' })}` });
    const others = tasksOf(b.client);
    expect((await others.list()).tasks).toEqual([]);
    for (const call of [others.get, others.result, others.cancel])
      await expect(call(made.taskId)).rejects.toMatchObject({ code: -32602 });
    expect((await tasksOf(a.client).result(made.taskId)).structuredContent).toMatchObject({ output: 'ok' });
  });
});

type Params = { readonly name?: string; readonly taskId?: unknown; readonly [key: string]: unknown };

/** A client without a session, which says with each request what it can do. */
const sender = (world: World, token: string, capabilities: object) => {
  let id = 0;
  return async (method: string, params: Params) => {
    id += 1;
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': capabilities,
    };
    const response = await fetch(`${world.client.url}/mcp`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/json',
        Accept: 'application/json, text/event-stream',
        'MCP-Protocol-Version': '2026-07-28',
        'Mcp-Method': method,
        'Mcp-Name': String(params.name ?? params.taskId ?? ''),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }),
    });
    const text = await response.text();
    const data = text.startsWith('{') ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? '');
    return JSON.parse(data) as { readonly result: Record<string, unknown>; readonly error?: { readonly code: number } };
  };
};

describe('the tasks extension of protocol version 2026-07-28', () => {
  scenario('is served to a client that has it, and to no other', { not: NOT, config }, async (world) => {
    const token = await tokenOf(world, 'admin');
    const extensions = { [EXTENSION]: {} };
    const send = sender(world, token, { extensions, elicitation: { form: {} } });
    const acts = [{ run: 'echo ran > ran.txt' }, { text: 'done it' }];
    const execute = (...script: readonly Act[]) => ({
      name: 'opencode_execute_task',
      arguments: { agent_id, task_description: `Go.\n${world.agent.play(...script)}` },
    });
    const ended = (taskId: unknown) =>
      world.until('the end of the task', ({ requests }) => {
        const request = requests.get(requestOf(String(taskId)) as RequestId);
        return request && isRequestOver(request.state);
      });
    const { result: discovered } = await send('server/discover', {});
    expect(discovered).toMatchObject({ capabilities: { extensions } });
    const { result: made } = await send('tools/call', execute(...acts));
    expect(made).toMatchObject({ resultType: 'task', status: 'working', ttlMs: null, pollIntervalMs: 1_000 });
    const { taskId } = made;
    const asked = await world.until('a question', ({ approvals }) =>
      [...approvals.values()].find(({ state }) => state === 'pending'),
    );
    const { result: waits } = await send('tasks/get', { taskId });
    expect(waits).toMatchObject({
      resultType: 'complete',
      status: 'input_required',
      inputRequests: { [asked.id]: { method: 'elicitation/create', params: { mode: 'form' } } },
    });
    // What was never asked is ignored.
    const answer = { action: 'accept', content: { decision: 'once' } };
    const inputResponses = { [asked.id]: answer, apr_nobody: answer };
    expect((await send('tasks/update', { taskId, inputResponses })).result).toMatchObject({ resultType: 'complete' });
    await ended(taskId);
    expect((await send('tasks/get', { taskId })).result).toMatchObject({
      status: 'completed',
      result: { structuredContent: { task_id: taskId, status: 'completed', output: 'done it' } },
    });
    // Work that failed is a result of the call; only the protocol's own errors fail the task.
    const hung = execute({ hold: 'never' });
    const limited = { ...hung, arguments: { ...hung.arguments, timeout_ms: 500 } };
    const { result: failing } = await send('tools/call', limited);
    await ended(failing.taskId);
    expect((await send('tasks/get', { taskId: failing.taskId })).result).toMatchObject({
      status: 'completed',
      result: { structuredContent: { status: 'timeout' } },
    });
    const { result: held } = await send('tools/call', hung);
    expect((await send('tasks/cancel', { taskId: held.taskId })).result).toMatchObject({ resultType: 'complete' });
    expect((await send('tasks/get', { taskId: held.taskId })).result).toMatchObject({ status: 'cancelled' });
    expect((await send('tasks/get', { taskId: 'task-nobody' })).error).toMatchObject({ code: -32602 });
    expect((await send('tasks/list', {})).error).toMatchObject({ code: -32601 });

    const plain = sender(world, token, {});
    expect((await plain('tasks/get', { taskId })).error).toMatchObject({ code: -32021 });
    const { result: queued } = await plain('tools/call', execute({ text: 'ok' }));
    expect(queued).toMatchObject({ resultType: 'complete', structuredContent: { status: 'queued' } });
    await world.settled();
  });
});
