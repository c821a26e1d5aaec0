import { describe, expect } from 'vitest';
import { httpClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';
import type { World } from '../support/world.ts';

const NOT = { opencode: 'what is asked is the door, not the agent program' };
const BOTH = 'application/json, text/event-stream';

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};
const call = (id: number, name: string, args: object = {}): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

type Init = { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: unknown };

const sender =
  (world: World, token: string | null) =>
  async ({ method = 'POST', headers = {}, body }: Init = {}) => {
    const response = await fetch(`${world.client.url}/mcp`, {
      method,
      headers: {
        ...(token !== null && { Authorization: `Bearer ${token}` }),
        ...(method === 'POST' && { 'Content-Type': 'application/json' }),
        Accept: BOTH,
        ...headers,
      },
      ...(method === 'POST' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

const dataOf = (text: string): never[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)) as never);

describe('the door of MCP', () => {
  scenario('answers what is not in order in the words of the protocol', { not: NOT }, async (world) => {
    const token = await tokenOf(world);
    const send = sender(world, token);
    const refused = (status: number, code: number, message: string | RegExp) => ({
      status,
      body: {
        jsonrpc: '2.0',
        error: { code, message: typeof message === 'string' ? message : expect.stringMatching(message) },
        id: null,
      },
    });
    const seen = async (init: Init, by = send) => {
      const { status, text } = await by(init);
      return { status, body: JSON.parse(text) as object };
    };
    const none = await sender(world, null)({ body: initialize });
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toBe('Bearer');
    expect(JSON.parse(none.text)).toEqual(refused(401, -32001, 'Unauthorized').body);
    expect(await seen({ body: initialize }, sender(world, 'gty_wrong'))).toEqual(refused(401, -32001, 'Unauthorized'));
    const Origin = 'http://localhost.evil.example';
    expect(await seen({ body: initialize, headers: { Origin } })).toEqual(
      refused(403, -32001, 'Forbidden: Invalid origin'),
    );
    expect(await seen({ body: call(2, 'ping') })).toEqual(
      refused(400, -32000, 'Bad Request: No valid session ID provided'),
    );
    const unknown = { 'mcp-session-id': 'b6f0a7a0-0000-4000-8000-000000000000' };
    expect(await seen({ body: call(2, 'ping'), headers: unknown })).toEqual(refused(404, -32001, 'Session not found'));
    expect(await seen({ method: 'DELETE', headers: unknown })).toEqual(refused(404, -32001, 'Session not found'));
    expect(await seen({ method: 'DELETE' })).toEqual(refused(400, -32000, 'Bad Request: No session ID provided'));
    expect(await send({ method: 'GET' })).toMatchObject({ status: 400, text: 'Session ID required' });
    expect(await seen({ body: 'no json' })).toEqual(refused(400, -32700, /Parse error/));
    expect(await seen({ body: 'x', headers: { 'Content-Type': 'text/plain' } })).toEqual(
      refused(415, -32000, /Unsupported Media/),
    );
    expect(await seen({ method: 'PUT' })).toEqual(refused(405, -32000, /not allowed/));
    const large = JSON.stringify(call(1, 'ping', { x: 'x'.repeat(10_500_000) }));
    expect((await send({ body: large })).status).toBe(413);
    const old = { 'mcp-protocol-version': '2024-01-01' };
    expect(await seen({ body: call(2, 'ping'), headers: old })).toEqual(
      refused(
        400,
        -32000,
        'Unsupported MCP protocol version: 2024-01-01. Supported: 2025-11-25, 2025-06-18, 2025-03-26',
      ),
    );
    const future = { ...old, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' };
    expect((await send({ body: { jsonrpc: '2.0', id: 5, method: 'tools/list' }, headers: future })).status).toBe(400);
  });

  scenario(
    'keeps sessions apart, tells a client that comes back what it missed, and ends them',
    { not: NOT },
    async (world) => {
      const token = await tokenOf(world);
      const send = sender(world, token);
      const opened = await send({ body: initialize });
      expect(opened.status).toBe(200);
      const session = {
        'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
        'mcp-protocol-version': '2025-06-18',
      };
      expect(dataOf(opened.text)).toMatchObject([
        { result: { serverInfo: { name: 'gantry' }, protocolVersion: '2025-06-18' } },
      ]);
      const other = sender(world, await tokenOf(world, 'admin'));
      expect((await other({ body: call(2, 'ping'), headers: session })).status).toBe(404);
      // One JSON body for a client that takes no stream.
      const single = await send({ body: call(3, 'ping'), headers: { ...session, Accept: 'application/json' } });
      expect(single.headers.get('content-type')).toMatch(/^application\/json/);
      expect(JSON.parse(single.text)).toMatchObject({ id: 3, result: { structuredContent: { status: 'ok' } } });
      // `arguments` may be absent.
      const bare = { jsonrpc: '2.0', id: 4, method: 'tools/call', params: { name: 'ping' } };
      const answered = await send({ body: bare, headers: session });
      expect(dataOf(answered.text)).toMatchObject([{ id: 4, result: { structuredContent: { status: 'ok' } } }]);
      const first = /^id: (.*)$/m.exec(answered.text)?.[1] ?? '';
      expect(first).not.toBe('');

      // A sync call whose stream breaks goes on; its answer is had by coming back.
      const task = {
        agent_id: 'a',
        task_description: `Go.\n${world.agent.play({ hold: 'go', text: 'kept' })}`,
        sync: true,
      };
      const abort = new AbortController();
      const body = {
        ...call(5, 'opencode_execute_task', task),
        params: { name: 'opencode_execute_task', arguments: task, _meta: { progressToken: 'p' } },
      };
      const broken = await fetch(`${world.client.url}/mcp`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', Accept: BOTH, ...session },
        body: JSON.stringify(body),
        signal: abort.signal,
      });
      const reader = broken.body?.getReader();
      let text = '';
      while (!/^id: /m.test(text) || !text.includes('progress'))
        text += new TextDecoder().decode((await reader?.read())?.value);
      abort.abort();
      const lastId = [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
      await world.agent.release('go');
      await world.until('the end of the task', ({ requests }) =>
        [...requests.values()].some(({ state }) => state === 'done'),
      );
      const missed = await fetch(`${world.client.url}/mcp`, {
        headers: { Authorization: `Bearer ${token}`, Accept: 'text/event-stream', ...session, 'Last-Event-ID': lastId },
      });
      const rest = missed.body?.getReader();
      let replayed = '';
      while (!replayed.includes('"id":5')) replayed += new TextDecoder().decode((await rest?.read())?.value);
      await rest?.cancel();
      expect(dataOf(replayed).at(-1)).toMatchObject({
        id: 5,
        result: { structuredContent: { status: 'completed', output: 'kept' } },
      });
      const ids = [...replayed.matchAll(/^id: (.*)$/gm)].map(([, id]) => id);
      expect(ids).not.toContain(lastId);
      expect(new Set(ids).size).toBe(ids.length);

      const ended = await send({ method: 'DELETE', headers: session });
      expect(JSON.parse(ended.text)).toEqual({ jsonrpc: '2.0', result: { terminated: true } });
      expect((await send({ body: call(6, 'ping'), headers: session })).status).toBe(404);
    },
  );

  scenario('serves three clients at once, each its own answers', { not: NOT }, async (world) => {
    const token = await tokenOf(world);
    const clients = await Promise.all(
      [false, true, false].map((isStateless) => httpClient(world, { token, isStateless })),
    );
    await Promise.all(
      clients.map(async ({ client, tool }, at) => {
        const messages: string[] = [];
        const words = `Go.\n${world.agent.play({ run: 'true' }, { text: `answer ${at}` })}`;
        const args = { agent_id: `agent-${at}`, task_description: words, sync: true };
        const { value } = await tool('opencode_execute_task', args, {
          onprogress: ({ message }) => void messages.push(message ?? ''),
        });
        expect(value).toMatchObject({ status: 'completed', output: `answer ${at}` });
        expect(messages.length).toBeGreaterThan(0);
        await client.close();
      }),
    );
  });

  scenario('tells its health to anybody, and no secret with it', { not: NOT }, async (world) => {
    await using _ = await httpClient(world, { token: await tokenOf(world) });
    const response = await fetch(`${world.client.url}/health`);
    expect(response.status).toBe(200);
    const health = (await response.json()) as Record<string, unknown>;
    expect(health).toMatchObject({
      status: 'healthy',
      service: 'gantry',
      transport: 'streamable_http',
      protocol_version: '2025-11-25',
      supported_versions: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'],
      sessions: 1,
      uptime: expect.any(Number),
      timestamp: expect.any(String),
      memory: {
        heapUsed: expect.stringMatching(/MB$/),
        heapTotal: expect.any(String),
        external: expect.any(String),
        rss: expect.any(String),
      },
      eventStore: { totalEvents: expect.any(Number), sessionsWithEvents: 1 },
      security: { origin_validation: true, localhost_binding: true, bound_host: '127.0.0.1' },
      dependencies: { letta: { status: 'off' }, matrix: { status: 'off' }, container: { status: 'off' } },
    });
    expect(JSON.stringify(health)).not.toContain(world.root);
  });
});

describe('callers', () => {
  scenario(
    'a token that is bound to callers acts for no other, and sees no task of another',
    { not: NOT },
    async (world) => {
      await using a = await httpClient(world, { token: await tokenOf(world, 'operate', ['agent-a']) });
      await using b = await httpClient(world, {
        token: await tokenOf(world, 'operate', ['agent-b']),
        headers: { 'x-agent-id': 'agent-b' },
      });
      const task_description = `Go.\n${world.agent.play({ text: 'ok' })}`;
      const done = await a.tool('opencode_execute_task', { agent_id: 'agent-a', task_description, sync: true });
      expect(done.value).toMatchObject({ status: 'completed' });
      const { task_id } = done.value;
      const foreign = await a.tool('opencode_execute_task', { agent_id: 'agent-b', task_description });
      expect(foreign).toMatchObject({ isError: true, value: { code: 'FORBIDDEN', status: 403 } });
      for (const tool of ['get_task_status', 'get_task_history', 'get_task_diff']) {
        expect((await b.tool(tool, { task_id })).value).toMatchObject({
          error: `Task ${task_id} not found`,
          code: 'TASK_NOT_FOUND',
        });
      }
      expect((await b.tool('get_task_files', { task_id })).value).toMatchObject({
        error: `Task not found: ${task_id}`,
      });
      // The header fills in what the arguments leave out; what they say wins.
      const filled = await b.tool('opencode_execute_task', { task_description, sync: true });
      expect(filled.value).toMatchObject({ status: 'completed' });
      const explicit = await b.tool('opencode_execute_task', { agent_id: 'agent-a', task_description });
      expect(explicit.value).toMatchObject({ code: 'FORBIDDEN' });
      expect((await b.tool('list_tasks')).value.tasks).toMatchObject([{ agent_id: 'agent-b' }]);
      const bound = await tokenOf(world, 'operate', ['agent-b']);
      const plain = await fetch(`${world.client.url}/api/v1/requests`, {
        headers: { Authorization: `Bearer ${bound}` },
      });
      expect(plain.status).toBe(403);
    },
  );

  scenario('keys give the same task to the same caller, and to nobody else', { not: NOT }, async (world) => {
    const [one, two] = [await tokenOf(world, 'operate'), await tokenOf(world, 'operate')];
    await using first = await httpClient(world, { token: one });
    await using second = await httpClient(world, { token: two });
    const execute = {
      agent_id: 'agent-a',
      task_description: `Go.\n${world.agent.play({ text: 'ok' })}`,
      idempotency_key: 'key-1',
    };
    const made = (await first.tool('opencode_execute_task', execute)).value;
    const again = (await first.tool('opencode_execute_task', { ...execute, notify: 'never' })).value;
    expect(again).toMatchObject({ task_id: made.task_id, message: 'Task already exists (idempotency key match)' });
    const waited = (await first.tool('opencode_execute_task', { ...execute, sync: true })).value;
    expect(waited).toMatchObject({ task_id: made.task_id, status: 'completed', output: 'ok' });
    const others = [
      (await first.tool('opencode_execute_task', { ...execute, agent_id: 'agent-b' })).value,
      (await second.tool('opencode_execute_task', execute)).value,
    ];
    for (const other of others) expect(other).toMatchObject({ status: 'queued' });
    expect(new Set([made.task_id, ...others.map(({ task_id }) => task_id)]).size).toBe(3);
    const conflict = await first.tool('opencode_execute_task', { ...execute, timeout_ms: 1_234 });
    expect(conflict).toMatchObject({
      isError: true,
      value: {
        error: 'Idempotency key was used with different parameters',
        code: 'IDEMPOTENCY_CONFLICT',
        task_id: made.task_id,
      },
    });
    const racing = { ...execute, idempotency_key: 'key-2' };
    const raced = await Promise.all([1, 2, 3, 4].map(() => first.tool('opencode_execute_task', racing)));
    expect(new Set(raced.map(({ value }) => value.task_id)).size).toBe(1);
    await world.settled();
  });

  scenario('are told what is wrong with their arguments', { not: NOT }, async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const bad = async (name: string, args?: Record<string, unknown>): Promise<string> => {
      const { isError, value } = await mcp.tool(name, args);
      expect(isError).toBe(true);
      return String(value.error);
    };
    expect(await bad('opencode_execute_task', { agent_id: 'a' })).toMatch(
      /^task_description: .*string.*\(got nothing\)/,
    );
    expect(await bad('opencode_execute_task', { agent_id: 'a b', task_description: 'x' })).toMatch(/agent_id: .*"a b"/);
    expect(await bad('send_task_control', { task_id: 'x', control: 'stop' })).toMatch(/cancel, pause, resume.*"stop"/);
    expect(await bad('opencode_execute_task', { agent_id: 'a', task_description: 'x', backend: 'nope' })).toMatch(
      /nope.*fake/,
    );
    expect(await bad('nope')).toBe('Unknown tool: nope');
    expect(await bad('get_task_status', { task_id: 'task-x' })).toBe('Task task-x not found');
    const { value } = await mcp.tool('ping', { colour: 'red' });
    expect(value).toMatchObject({ status: 'ok', warnings: ['unknown argument: colour'] });
  });
});
