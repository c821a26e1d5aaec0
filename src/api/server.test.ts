import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/support/api.ts';
import { deferred } from '../base/wait.ts';
import { OPERATIONS, type Operation, type OperationName } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import { Problem, SCOPES_THAT_SATISFY } from '../contract/shapes.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api[Symbol.asyncDispose]());
afterEach(async () => {
  expect((await fetch(`${api.url}/healthz`)).status, 'the server lives on').toBe(200);
});

/** An input that every operation takes, by name; what is not here takes none. */
const ID = {
  req: 'req_000000000',
  tsk: 'tsk_000000000',
  apr: 'apr_000000000',
  sess: 'sess_000000000',
  mail: 'mail_000000000',
  mrg: 'mrg_000000000',
};
const INPUTS: Partial<Record<OperationName, Record<string, unknown>>> = {
  'projects.add': { path: '/tmp' },
  'projects.remove': { project: '/some/where' },
  'requests.submit': { text: 'do', project: 'demo' },
  'plans.preview': { text: 'do', project: 'demo' },
  'requests.get': { id: ID.req },
  'requests.execute': { id: ID.req },
  'requests.diff': { id: ID.req },
  'tasks.get': { id: ID.tsk },
  'things.explain': { id: ID.tsk },
  'things.cancel': { id: ID.tsk },
  'things.pause': { id: ID.req },
  'things.resume': { id: ID.req },
  'things.retry': { id: ID.tsk },
  'sessions.transcript': { id: ID.sess },
  'agents.start': { agent: 'demo/worker/one' },
  'agents.stop': { agent: 'demo/worker/one' },
  'agents.handoff': { agent: 'demo/worker/one', backend: 'fake' },
  'agents.peek': { agent: 'demo/worker/one' },
  'agents.attach': { agent: 'demo/worker/one' },
  'agents.fork': { agent: 'demo/worker/one' },
  'messages.escalate': { text: 'stuck' },
  'approvals.get': { id: ID.apr },
  'approvals.allow': { id: ID.apr },
  'approvals.deny': { id: ID.apr },
  'approvals.answer': { id: ID.apr, answers: [['yes']] },
  'grants.revoke': { id: 'x' },
  'policy.test': { value: 'ls' },
  'messages.send': { to: 'demo/worker/one', text: 'hi' },
  'messages.broadcast': { text: 'hi' },
  'messages.read': { id: ID.mail },
  'messages.archive': { id: ID.mail },
  'merges.add': { requestId: ID.req },
  'merges.review': { id: ID.mrg, verdict: 'approve' },
  'merges.retry': { id: ID.mrg },
  'merges.withdraw': { id: ID.mrg },
  'delegations.submit': { callerId: 'agent-a', description: 'hi' },
  'delegations.message': { id: 'task-1', text: 'hi' },
  'delegations.control': { id: 'task-1', control: 'pause' },
  'delegations.file': { id: 'task-1', path: 'a' },
  'delegations.decide': { approvalId: ID.apr, decision: 'deny' },
  'questions.ask': { source: 'app', session: 's', type: 'question', question: 'What?' },
  'questions.wait': { id: '1' },
  'questions.withdraw': { id: '1' },
  'questions.files': { id: ID.apr },
  'progress.report': { message: 'half way' },
  'history.search': { text: 'words' },
  'facts.search': { q: 'words' },
  'tasks.sling': { task: 'do', project: 'demo' },
  'exec.start': { prompt: 'hi', directory: '/tmp' },
  'exec.wait': { id: ID.sess },
  'tokens.create': { name: 'x', scope: 'read' },
  'tokens.revoke': { id: 'x' },
};
const ROWS = Object.entries(OPERATIONS) as [OperationName, Operation][];

function call(name: OperationName, token: string | null): Promise<Response> {
  const { method, path } = OPERATIONS[name];
  const input = { ...INPUTS[name] };
  const filled = path.replace(/:(\w+)/g, (_, key: string) => {
    const value = String(input[key]);
    delete input[key];
    return encodeURIComponent(value);
  });
  if (method === 'POST') return api.post(filled, input, { token });
  const query = new URLSearchParams(input as Record<string, string>).toString();
  return api.send(query === '' ? filled : `${filled}?${query}`, { method, token });
}

async function problem(response: Response): Promise<Problem> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const parsed = Problem.parse(await response.json());
  expect(parsed.status).toBe(response.status);
  return parsed;
}
const code = async (response: Response): Promise<string> => (await problem(response)).code;

/** What a plain socket gets for these bytes, until the server closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(api.port, '127.0.0.1');
  socket.end(bytes);
  return await text(socket);
}

describe('who may do what', () => {
  test.each(ROWS)('%s', async (name, { scope, status }) => {
    expect(await code(await call(name, null))).toBe('unauthorized');
    expect(await code(await call(name, 'nonsense'))).toBe('unauthorized');
    for (const given of ['admin', 'operate', 'approve', 'ingest', 'read'] as const) {
      const response = await call(name, given);
      if (SCOPES_THAT_SATISFY[scope].includes(given)) expect(response.status).toBe(status);
      else expect(await code(response)).toBe('forbidden');
    }
    const byAgent = await call(name, 'agent');
    expect(byAgent.status).toBe(scope === 'approve' || scope === 'admin' ? 403 : status);
  });

  test('the handler gets the checked input with its defaults, and the caller', async () => {
    const response = await api.post('/api/v1/requests', { text: 'do', project: 'demo' }, { token: 'operate' });
    expect(await response.json()).toEqual({
      name: 'requests.submit',
      input: { text: 'do', project: 'demo', isDirtyAllowed: false, options: {} },
      caller: { actor: 'token:operate', scope: 'operate', agent: null },
    });
  });

  test('only the health page and the login page are open', async () => {
    expect(await (await api.send('/healthz', { token: null })).json()).toEqual({ ok: true, version: '0.0.0-test' });
    for (const path of ['/', '/readyz', '/openapi.json', '/docs', '/api/v1/stream', '/nowhere']) {
      expect(await code(await api.send(path, { token: null })), path).toBe('unauthorized');
    }
    expect(await code(await api.send('/login?code=guess', { token: null }))).toBe('unauthorized');
  });

  test('a login code works once, and its cookie is for this site alone', async () => {
    const { code: once } = api.access.createLogin();
    const first = await api.send(`/login?code=${once}`, { token: null });
    expect([first.status, first.headers.get('location')]).toEqual([303, '/']);
    const [cookie = '', ...flags] = (first.headers.get('set-cookie') ?? '').split('; ');
    expect(flags).toEqual(expect.arrayContaining(['HttpOnly', 'SameSite=Strict', 'Path=/']));
    expect(await code(await api.send(`/login?code=${once}`, { token: null }))).toBe('unauthorized');

    const read = await api.send('/api/v1/status', { token: null, headers: { cookie: `other=1; ${cookie}` } });
    expect(read.status).toBe(200);
    const change = (headers: Record<string, string>) =>
      api.post(`/api/v1/approvals/${ID.apr}/allow`, {}, { token: null, headers: { cookie, ...headers } });
    expect(await code(await change({}))).toBe('foreign_origin');
    expect(await code(await change({ origin: 'https://evil.example' }))).toBe('foreign_origin');
    expect((await change({ origin: api.url })).status).toBe(200);
  });

  test('a wrong bearer is not rescued by a cookie', async () => {
    const headers = { cookie: `gantry_${api.port}=admin` };
    expect((await api.send('/api/v1/status', { token: null, headers })).status).toBe(200);
    expect((await api.send('/api/v1/status', { token: 'nonsense', headers })).status).toBe(401);
  });
});

describe('where a request comes from', () => {
  const get = (host: string, more = '') =>
    raw(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`);

  test.each(['localhost', '127.0.0.1', '[::1]', 'LOCALHOST'])('Host %s with the port is served', async (name) => {
    expect(await get(`${name}:${api.port}`)).toMatch(/^HTTP\/1.1 200/);
  });

  test.each(['evil.example', 'localhost', '127.0.0.1:1', 'localhost.evil.example', '', 'a b'])(
    'Host %j is refused',
    async (name) => {
      expect(await get(name)).toMatch(/^HTTP\/1.1 (403|400) /);
    },
  );

  test.each(['null', 'https://evil.example', 'http://localhost:1', 'http://127.0.0.1'])(
    'Origin %s is refused',
    async (origin) => {
      expect(await get(`127.0.0.1:${api.port}`, `Origin: ${origin}\r\n`)).toMatch(/^HTTP\/1.1 403.*foreign_origin/s);
    },
  );

  test('its own Origin is served, without any CORS permission', async () => {
    const answer = await get(`localhost:${api.port}`, `Origin: http://localhost:${api.port}\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 200/);
    expect(answer.toLowerCase()).not.toContain('access-control');
  });

  test('a name that the configuration adds is served', async () => {
    await using named = await openTestApi({ names: ['Gantry.Lan'] });
    const socket = connect(named.port, '127.0.0.1');
    socket.end('GET /healthz HTTP/1.1\r\nHost: gantry.lan\r\nConnection: close\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1.1 200/);
  });

  test('every answer carries the headers that keep it private', async () => {
    for (const path of ['/healthz', '/nowhere', '/api/v1/status', '/login?code=x']) {
      const { headers } = await api.send(path);
      expect(headers.get('cache-control'), path).toBe('no-store');
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('content-security-policy'), path).toContain("default-src 'none'");
    }
  });
});

describe('paths and methods', () => {
  test('an unknown path is a problem', async () => {
    expect(await code(await api.send('/api/v1/nowhere'))).toBe('not_found');
  });

  test('a wrong method names the right ones', async () => {
    const response = await api.send('/api/v1/requests', { method: 'DELETE' });
    expect(response.headers.get('allow')).toBe('POST, GET');
    expect(await code(response)).toBe('method_not_allowed');
    expect(await code(await api.send('/healthz', { method: 'OPTIONS' }))).toBe('method_not_allowed');
  });

  test.each(['/a/b', 'a%2Fb', 'ü %?#&', '%', '__proto__'])('a path takes the name %j whole', async (project) => {
    const response = await api.send(`/api/v1/projects/${encodeURIComponent(project)}`, { method: 'DELETE' });
    expect(await response.json()).toMatchObject({ input: { project } });
  });

  test('a list in a query may be joined or repeated', async () => {
    for (const query of ['state=done,failed', 'state=done&state=failed']) {
      const response = await api.send(`/api/v1/requests?${query}&limit=5`);
      expect(await response.json()).toMatchObject({ input: { state: ['done', 'failed'], limit: 5 } });
    }
  });
});

describe('bad input is refused with the place', () => {
  const submit = (body: unknown, headers: Record<string, string> = {}) =>
    api.post('/api/v1/requests', body, { headers });

  test.each([
    ['a comma too many', '{"text": "x",}', /not JSON: .*position 13/],
    ['an empty body', '', /text: .*project: /],
    ['a list', '[1]', /must be a JSON object/],
    ['null', 'null', /must be a JSON object/],
    ['a text', '"x"', /must be a JSON object/],
    ['a wrong type', '{"text":1,"project":"p"}', /text: Invalid input: expected string, received number/],
    ['an unknown name', '{"text":"x","project":"p","optoins":{}}', /"optoins"; accepted: text, project, isDirty/],
    ['an unknown name inside', '{"text":"x","project":"p","options":{"isSingle":true}}', /options: .*"isSingle"/],
    ['a wrong type inside', '{"text":"x","project":"p","options":{"maxParallel":"many"}}', /options\.maxParallel: /],
    ['lists 200,000 deep', `${'['.repeat(200_000)}${']'.repeat(200_000)}`, /deeper than 100 levels at position 100/],
    ['objects 200,000 deep', `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`, /deeper than 100 .* position 500/],
  ])('%s', async (_, body, detail) => {
    const found = await problem(await submit(body));
    expect([found.status, found.code]).toEqual([400, 'bad_request']);
    expect(found.detail).toMatch(detail);
  });

  test('issues name each path', async () => {
    const found = await problem(await submit({ text: '', options: { maxTasks: 99 } }));
    expect(found.issues?.map((issue) => issue.path)).toEqual(['text', 'project', 'options.maxTasks']);
  });

  test('many faults are a short answer', async () => {
    const answers = Array.from({ length: 50_000 }, () => 1);
    const found = await problem(await api.post(`/api/v1/approvals/${ID.apr}/answer`, { answers }));
    expect(found.issues).toHaveLength(20);
    expect(found.detail.length).toBeLessThanOrEqual(2_000);
  });

  test('brackets in a string are no depth', async () => {
    expect((await submit({ text: `\\"${'['.repeat(500)}`, project: 'p' })).status).toBe(202);
  });

  test('text that is not UTF-8', async () => {
    const body = Buffer.from([0x7b, 0xff, 0x7d]);
    const headers = { 'Content-Type': 'application/json' };
    const found = await problem(await api.send('/api/v1/requests', { method: 'POST', body, headers }));
    expect(found.detail).toBe('the body is not UTF-8');
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx'])(
    'a body of type %s',
    async (type) => {
      expect(await code(await submit('{}', { 'Content-Type': type }))).toBe('unsupported_media_type');
    },
  );

  test('a compressed body', async () => {
    expect(await code(await submit('{}', { 'Content-Encoding': 'gzip' }))).toBe('unsupported_media_type');
  });

  test('the right type with a charset', async () => {
    const headers = { 'Content-Type': 'application/json; charset=utf-8' };
    expect((await submit({ text: 'x', project: 'p' }, headers)).status).toBe(202);
  });

  test('no body at all is an empty input', async () => {
    expect((await api.send(`/api/v1/approvals/${ID.apr}/allow`, { method: 'POST' })).status).toBe(200);
  });

  test('a body of 10 MB is too large', async () => {
    expect(await code(await submit({ text: 'x'.repeat(10_000_000), project: 'p' }))).toBe('too_large');
  });

  test('a body without a length is cut off at the limit', async () => {
    const chunk = 'x'.repeat(65_536);
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += chunk.length;
        if (sent > 40_000_000) controller.close();
        else controller.enqueue(Buffer.from(chunk));
      },
    });
    const headers = { 'Content-Type': 'application/json' };
    const response = await api.send('/api/v1/requests', {
      method: 'POST',
      body,
      headers,
      duplex: 'half',
    } as RequestInit);
    expect(await code(response)).toBe('too_large');
  });

  test('a client that streams without end is answered and cut off', async () => {
    const socket = connect(api.port, '127.0.0.1');
    socket.write(
      `POST /api/v1/requests HTTP/1.1\r\nHost: localhost:${api.port}\r\nAuthorization: Bearer admin\r\n` +
        'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const pump = (): void => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on('drain', pump);
    socket.on('error', () => socket.destroy());
    const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
    socket.resume();
    pump();
    await closed;
  });

  test('a client that leaves in the middle of its body', async () => {
    const socket = connect(api.port, '127.0.0.1');
    const head = `POST /api/v1/requests HTTP/1.1\r\nHost: localhost:${api.port}\r\nAuthorization: Bearer admin\r\n`;
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"te`, () =>
      socket.resetAndDestroy(),
    );
    await new Promise<void>((resolve) => void socket.once('close', () => resolve()));
  });

  test('input in the wrong place', async () => {
    expect((await problem(await api.post('/api/v1/requests?text=x', {}))).detail).toMatch(/not in the query/);
    expect((await problem(await api.send('/api/v1/requests?nope=1'))).detail).toMatch(/"nope"; accepted: state/);
    const twice = await api.post(`/api/v1/approvals/${ID.apr}/allow`, { id: ID.apr });
    expect((await problem(twice)).detail).toMatch(/given by the path/);
    expect((await problem(await api.send('/api/v1/requests/no-id'))).issues?.[0]?.path).toBe('id');
  });

  test.each([
    'nonsense\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    `GET ${'/x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    'POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ])('bytes that are no HTTP (%#)', async (bytes) => {
    expect(await raw(bytes)).toMatch(/^HTTP\/1.1 4\d\d /);
  });

  test.each(['http://evil.example/healthz', '//evil.example/healthz', '*', 'healthz'])(
    'the target %s',
    async (target) => {
      const answer = await raw(`GET ${target} HTTP/1.1\r\nHost: localhost:${api.port}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 [24]\d\d /);
    },
  );

  test('any JSON is answered with 202 or 400', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 6 }), async (value) => {
        const response = await submit(JSON.stringify(value));
        expect([202, 400]).toContain(response.status);
        await response.arrayBuffer();
      }),
      { numRuns: 100 },
    );
  });

  test('any path and query is answered with less than 500', async () => {
    const paths = fc.constantFrom(...ROWS.map(([, { path }]) => path), '/login', '/:x', '/api/v1/stream');
    await fc.assert(
      fc.asyncProperty(paths, fc.string({ unit: 'binary' }), fc.webQueryParameters(), async (path, part, query) => {
        const response = await api.send(`${path.replace(/:\w+/, () => encode(part))}?${query}`);
        expect(response.status).toBeLessThan(500);
        await response.arrayBuffer();
      }),
      { numRuns: 200 },
    );
  });
});

/** Lone surrogates have no UTF-8. */
const encode = (part: string): string => encodeURIComponent(part.toWellFormed());

describe('errors of handlers', () => {
  test('an error of ours keeps its code and details; any other is internal, without its secrets', async () => {
    await using failing = await openTestApi({
      handlers: {
        'requests.get': () => {
          throw new AppError('not_found', 'no such request', { details: { nearest: 'req_1' } });
        },
        status: () => Promise.reject(new Error('broken with sk-abcdefghijklmnopqrstuv')),
      },
    });
    expect(await problem(await failing.send(`/api/v1/requests/${ID.req}`))).toEqual({
      type: 'urn:gantry:error:not_found',
      title: 'There is no such thing',
      status: 404,
      code: 'not_found',
      detail: 'no such request',
      details: { nearest: 'req_1' },
    });
    expect(await problem(await failing.send('/api/v1/status'))).toMatchObject({
      status: 500,
      code: 'internal',
      detail: 'broken with [redacted]',
    });
  });
});

describe('starting and closing', () => {
  test('a taken port is said', async () => {
    await expect(openTestApi({ port: api.port })).rejects.toMatchObject({ code: 'port_in_use' });
  });

  test('a daemon that is not ready says why', async () => {
    await using waking = await openTestApi({ notReady: () => 'recovering' });
    const response = await waking.send('/readyz');
    expect([response.status, await response.json()]).toEqual([503, { ok: false, reason: 'recovering' }]);
  });

  test('a running call may end within the grace; after it, it is cut off', async () => {
    for (const graceMs of [30_000, 0]) {
      const running = deferred<void>();
      const released = deferred<void>();
      const closing = await openTestApi({
        handlers: {
          doctor: async () => {
            running.resolve();
            await released.promise;
            return { isOk: true, checks: [] };
          },
        },
      });
      const answer = closing.post('/api/v1/doctor', {}).then(
        (response) => response.status,
        () => 'cut off',
      );
      await running.promise;
      const closed = closing.close(graceMs);
      if (graceMs > 0) released.resolve();
      expect(await answer).toBe(graceMs > 0 ? 200 : 'cut off');
      await closed;
      released.resolve();
      await closing[Symbol.asyncDispose]();
    }
  });

  test('a connection that was opened ahead and never used is not waited for', { timeout: 50_000 }, async () => {
    await using closing = await openTestApi();
    const socket = connect(closing.port, '127.0.0.1');
    await once(socket, 'connect');
    const over = once(socket, 'close');
    // Connections are taken in their order: when this is answered, the daemon has the silent one too.
    expect((await closing.send('/healthz')).status).toBe(200);
    await closing.close(600_000);
    await over;
  });
});
