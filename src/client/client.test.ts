import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/support/api.ts';
import { type InputOf, OPERATIONS, type OperationName } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import { createClient } from './client.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const client = (token = 'admin') => createClient({ url: `${api.url}/`, token });

describe('a call', () => {
  const inputs: { [N in OperationName]?: InputOf<N> } = {
    status: {},
    'requests.submit': { text: 'ü "quoted"\n', project: '/a b/c', options: { maxParallel: 2 } },
    'requests.list': { state: ['done', 'failed'], limit: 5 },
    'requests.get': { id: 'req_000000001' },
    'projects.remove': { project: '/a/b c/ü?#%2F' },
    'things.cancel': { id: 'tsk_000000001', reason: 'no' },
    'approvals.list': { all: 'true' },
    'approvals.answer': { id: 'apr_000000001', answers: [['a,b'], []] },
    'facts.list': { kind: ['notice', 'text'], class: 'state', since: 0 },
    'exec.wait': { id: 'sess_000000001', waitMs: 5 },
  };

  test.each(Object.entries(inputs))('of %s arrives as it was given', async (name, input) => {
    const operation = name as OperationName;
    // The recording handlers answer with the call, which is no output of the operation.
    await expect(client().call(operation, input as never)).rejects.toMatchObject({ code: 'internal' });
    expect(api.calls.at(-1)).toMatchObject({ name, input: OPERATIONS[operation].input.parse(input) });
  });

  test('gives the checked output', async () => {
    await using answering = await openTestApi({
      handlers: { 'grants.list': () => ({ items: [] }), 'projects.list': () => ({ items: [{ id: 1 }] }) as never },
    });
    const { call } = createClient({ url: answering.url, token: 'read' });
    expect(await call('grants.list', {})).toEqual({ items: [] });
    await expect(call('projects.list', {})).rejects.toThrow(/the daemon answered projects.list with something else/);
  });

  test('with an idempotency key is carried out once', async () => {
    const send = () =>
      client()
        .call('approvals.deny', { id: 'apr_000000001' }, { idempotencyKey: 'key-1' })
        .catch((error: AppError) => error.code);
    const before = api.calls.length;
    await send();
    await send();
    expect(api.calls.length - before).toBe(1);
  });
});

describe('an error', () => {
  const failing = async (url: string, signal?: AbortSignal) =>
    await createClient({ url, token: 'admin' })
      .call('status', {}, { signal })
      .then(
        () => null,
        (error: unknown) => (error instanceof AppError ? error : null),
      );

  /** A server that is no daemon. */
  async function serve(answer: Parameters<typeof createServer>[1]) {
    const server: Server = createServer(answer as never);
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const close = (): void => {
      server.close();
      server.closeAllConnections();
    };
    return { url, [Symbol.dispose]: close };
  }
  const json = (status: number, body: unknown) =>
    serve((_, response) => {
      response.writeHead(status, { 'Content-Type': 'application/problem+json' });
      response.end(JSON.stringify(body));
    });

  test('of the daemon keeps its code, words and details', async () => {
    const bad = client().call('requests.list', { limit: 0 });
    await expect(bad).rejects.toBeInstanceOf(AppError);
    await expect(bad).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringMatching(/^limit: /),
      details: { issues: [{ path: 'limit' }] },
    });
    await expect(client('nonsense').call('status', {})).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('with a code that this client does not know is internal, and names it', async () => {
    using server = await json(418, { type: 'x', title: 'x', status: 418, detail: 'new', code: 'teapot' });
    expect(await failing(server.url)).toMatchObject({ code: 'internal', message: 'teapot: new' });
  });

  test('of something else that listens there', async () => {
    using server = await serve((_, response) => void response.writeHead(502).end('<html>'));
    expect((await failing(server.url))?.message).toBe('what answers is not a Gantry daemon: HTTP 502');
    using odd = await serve((_, response) => void response.end('hello'));
    expect(await failing(odd.url)).toMatchObject({ code: 'internal' });
    using elsewhere = await serve((_, response) => void response.writeHead(302, { Location: '/' }).end());
    expect(await failing(elsewhere.url)).not.toBeNull();
  });

  test('of nobody there is daemon_unreachable', async () => {
    const gone = await serve(() => undefined);
    gone[Symbol.dispose]();
    expect(await failing(gone.url)).toMatchObject({
      code: 'daemon_unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('of an answer that is cut off is daemon_unreachable', async () => {
    using server = await serve((_, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('{"version"', () => response.destroy());
    });
    expect(await failing(server.url)).toMatchObject({ code: 'daemon_unreachable' });
  });

  test('of a signal is cancelled or timeout', async () => {
    using server = await serve(() => undefined);
    expect(await failing(server.url, AbortSignal.abort())).toMatchObject({ code: 'cancelled' });
    expect(await failing(server.url, AbortSignal.timeout(5))).toMatchObject({ code: 'timeout' });
  });
});
