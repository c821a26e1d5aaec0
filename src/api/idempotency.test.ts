import { expect, test } from 'vitest';
import { openTestApi, testKeys } from '../../test/support/api.ts';
import { deferred } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';

const PATH = '/api/v1/policy/test';
const VERDICT = { action: 'ask' as const, rule: 'default', reason: null, patterns: [] };

/** A server whose `policy.test` counts its runs and answers with the count. */
async function openCounting(run: (count: number) => Promise<void> = async () => undefined) {
  const keys = testKeys();
  let count = 0;
  const api = await openTestApi({
    idempotency: keys,
    handlers: {
      'policy.test': async () => {
        count += 1;
        const mine = count;
        await run(mine);
        return { ...VERDICT, rule: `run ${mine}` };
      },
    },
  });
  const ask = async (key: string, input: object, token = 'read', path = PATH) => {
    const response = await api.post(path, input, { token, headers: { 'Idempotency-Key': key } });
    const { rule, code } = (await response.json()) as { rule?: string; code?: string };
    return [response.status, rule ?? code, response.headers.get('idempotency-replayed')];
  };
  return { ask, keys, api, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

test('the same key with the same input is answered as the first time', async () => {
  await using server = await openCounting();
  expect(await server.ask('k', { value: 'ls', tool: 'bash' })).toEqual([200, 'run 1', null]);
  expect(await server.ask('k', { tool: 'bash', value: 'ls' })).toEqual([200, 'run 1', 'true']);
  // The tool's default, left out.
  expect(await server.ask('k', { value: 'ls' })).toEqual([200, 'run 1', 'true']);
});

test('the same key with another input is refused', async () => {
  await using server = await openCounting();
  await server.ask('k', { value: 'ls' });
  expect(await server.ask('k', { value: 'rm' })).toEqual([409, 'idempotency_mismatch', null]);
});

test('a key belongs to its token and operation', async () => {
  await using server = await openCounting();
  await server.ask('k', { value: 'ls' });
  expect(await server.ask('k', { value: 'rm' }, 'operate')).toEqual([200, 'run 2', null]);
  const other = await server.api.post(
    '/api/v1/approvals/apr_000000000/deny',
    {},
    { token: 'approve', headers: { 'Idempotency-Key': 'k' } },
  );
  expect(other.status).toBe(200);
});

test('calls at the same time share one run', async () => {
  const started = deferred<void>();
  const released = deferred<void>();
  await using server = await openCounting(async () => {
    started.resolve();
    await released.promise;
  });
  const first = server.ask('k', { value: 'ls' });
  await started.promise;
  const mismatch = server.ask('k', { value: 'rm' });
  expect(await mismatch).toEqual([409, 'idempotency_mismatch', null]);
  const second = server.ask('k', { value: 'ls' });
  // Whatever order they arrive in: the run is released only after this one has been answered.
  expect(await server.ask('other', { value: 'x' }, 'nonsense')).toEqual([401, 'unauthorized', null]);
  released.resolve();
  expect((await Promise.all([first, second])).map(([, rule]) => rule)).toEqual(['run 1', 'run 1']);
});

test('a failed call frees its key', async () => {
  await using server = await openCounting(async (count) => {
    if (count === 1) throw new AppError('overloaded', 'later');
  });
  expect(await server.ask('k', { value: 'ls' })).toEqual([503, 'overloaded', null]);
  expect(await server.ask('k', { value: 'ls' })).toEqual([200, 'run 2', null]);
});

test('a call that a dead daemon had begun is not begun again: nobody knows what it did', async () => {
  await using server = await openCounting();
  await server.ask('k', { value: 'ls' });
  for (const [id, begun] of server.keys.kept) {
    if (begun.type === 'finished') server.keys.kept.set(id, { type: 'unfinished', inputHash: begun.inputHash });
  }
  expect(await server.ask('k', { value: 'ls' })).toEqual([409, 'conflict', null]);
});

test.each(['', ' ', 'a b', 'ü', 'x'.repeat(256)])('the key %.20j is refused or absent', async (key) => {
  await using server = await openCounting();
  const answer = await server.ask(key, { value: 'ls' }).catch((error: unknown) => error);
  if (answer instanceof TypeError) return; // fetch itself refuses to send it
  expect(answer).toEqual([400, 'bad_request', null]);
});

test('an answer that may hold a secret is never kept', async () => {
  await using server = await openCounting();
  const input = { name: 'x', scope: 'read' };
  expect(await server.ask('k', input, 'admin', '/api/v1/tokens')).toEqual([400, 'bad_request', null]);
  expect(server.keys.kept.size).toBe(0);
});
