import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, testAccess } from '../../test/support/api.ts';
import { startEngine, type TestEngine } from '../../test/support/engine.ts';
import { makeRepository, type TestRepository } from '../../test/support/repository.ts';
import { sampleApproval } from '../../test/support/rows.ts';
import { tempDir } from '../../test/support/temp.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { type Client, createClient, followView } from '../client/client.ts';
import type { InputOf, OperationName } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import type { Fact } from '../contract/fact.ts';
import type { View } from '../contract/fold.ts';
import { History } from '../history/history.ts';
import { createMask } from '../ingest/mask.ts';
import type { Observation } from '../plugin/observe.ts';
import { Requests } from '../plugin/requests.ts';
import { Search } from '../store/search/search.ts';
import { createHandlers } from './create-handlers.ts';

const scope = new AsyncDisposableStack();
let engine: TestEngine;
let repository: TestRepository;
let client: Client;
const stops: string[] = [];

beforeAll(async () => {
  const home = scope.use(await tempDir());
  repository = scope.use(await makeRepository());
  engine = scope.use(await startEngine({ home: home.path }));
  const { store } = engine;
  const access = testAccess();
  const status = {
    version: '0.0.0',
    pid: 1,
    startedAt: 1,
    url: 'http://daemon',
    home: home.path,
    node: 'v24',
    storeBytes: 1,
    rssBytes: 1,
  };
  const handlers = createHandlers({
    engine: engine.engine,
    access,
    clock: systemClock,
    journal: store.journal,
    history: new History({ environment: { HOME: home.path }, home: home.path, projects: () => [] }),
    events: {
      events: engine.engine.events,
      rules: { mask: createMask(new Uint8Array(32), []), checkAddress: () => null },
    },
    search: scope.use(new Search({ journal: store.file, file: join(home.path, 'search.db') }, systemClock, silentLog)),
    daemon: {
      nodes: () => [],
      url: () => status.url,
      health: () => ({ status: 'healthy', dependencies: {}, lettaUrl: null, image: null }),
      status: () => ({
        ...status,
        ...engine.engine.queries.counts(),
        seq: store.journal.head(),
        alerts: engine.engine.queries.alerts(),
      }),
      shutdown: (cause, caller) => void stops.push(`${cause} by ${caller.actor}`),
      explainConfig: () => ({ items: [] }),
      doctor: async () => ({ isOk: true, checks: [] }),
      projections: {
        list: () => ({ items: [] }),
        test: async (name) => ({ name, isDelivered: true, error: null }),
        rebuild: (name) => {
          throw new AppError('not_found', name);
        },
      },
    },
  });
  const api = scope.use(
    await openTestApi({ access, handlers, journal: store.journal, onCommit: (listener) => store.onCommit(listener) }),
  );
  client = createClient({ url: api.url, token: 'admin' });
});
afterAll(() => scope.disposeAsync());

/** The view once `found` sees what it looks for. */
async function seen<T>(found: (view: View) => T | null | undefined | false): Promise<T> {
  const signal = AbortSignal.timeout(60_000);
  for await (const view of followView(client, { signal })) {
    const answer = found(view);
    if (answer) return answer;
  }
  throw new Error('not seen within 60 s');
}

test('a request goes from submitting over an approval to its result', async () => {
  const steps = [{ run: { command: 'touch made.txt' } }, { text: 'made it' }];
  const text = `Make a file. @@fake ${JSON.stringify(steps)}`;
  const input: InputOf<'requests.submit'> = { text, project: repository.root, options: { isSingleTask: true } };
  const { id } = await client.call('requests.submit', input, { idempotencyKey: 'once' });
  expect((await client.call('requests.submit', input, { idempotencyKey: 'once' })).id).toBe(id);

  const approval = await seen((view) => [...view.approvals.values()].find((row) => row.state === 'pending'));
  expect(approval.subject).toMatchObject({ call: { command: 'touch made.txt' } });
  const allowed = await client.call('approvals.allow', { id: approval.id, scope: 'session', ttlMs: 60_000 });
  expect(allowed).toMatchObject({ state: 'allowed', decidedBy: 'token:admin', decision: { scope: 'session' } });
  await expect(client.call('approvals.deny', { id: approval.id })).rejects.toMatchObject({ code: 'already_answered' });

  expect(await client.call('approvals.get', { id: approval.id })).toMatchObject({ id: approval.id, state: 'allowed' });
  await expect(client.call('approvals.get', { id: 'apr_000000000' })).rejects.toMatchObject({ code: 'not_found' });

  const done = await seen((view) => {
    const request = view.requests.get(id);
    return request?.state === 'done' && request;
  });
  expect(done.result?.filesChanged.map((file) => file.path)).toEqual(['made.txt']);

  const detail = await client.call('requests.get', { id });
  const [task] = detail.tasks;
  const [attempt] = detail.attempts;
  if (!task || !attempt?.sessionId) throw new Error('no task, attempt or session');
  expect((await client.call('requests.diff', { id })).diff).toContain('made.txt');
  expect((await client.call('tasks.get', { id: task.id })).attempts).toHaveLength(1);
  expect((await client.call('things.explain', { id: task.id })).state).toBe('done');
  const { items } = await client.call('sessions.transcript', { id: attempt.sessionId });
  expect(items.at(-1)).toMatchObject({ type: 'text', text: 'made it' });
  await expect(client.call('things.cancel', { id })).rejects.toMatchObject({ code: 'conflict' });
});

test.each<[OperationName, object]>([
  ['status', {}],
  ['view', {}],
  ['backends.list', {}],
  ['projects.list', {}],
  ['requests.list', { state: ['done'] }],
  ['tasks.list', { limit: 1 }],
  ['sessions.list', {}],
  ['agents.list', {}],
  ['approvals.list', { all: 'true' }],
  ['grants.list', {}],
  ['messages.list', {}],
  ['facts.list', { recent: 5 }],
  ['policy.test', { value: 'git push' }],
  ['config.explain', {}],
  ['doctor', { isQuick: true }],
  ['tokens.list', {}],
])('%s answers in its form', async (name, input) => {
  await client.call(name, input as never);
});

test('approvals are read page by page, each once', async () => {
  const over = { state: 'denied', attemptId: null, taskId: null, requestId: null, agent: null } as const;
  engine.store.commit((tx) => {
    for (const id of ['apr_000000001', 'apr_000000002', 'apr_000000003'] as const)
      tx.approvals.insert(sampleApproval({ ...over, id }), { actor: 'gantry', subject: {} });
  });
  const { items: all, nextCursor: none } = await client.call('approvals.list', { all: 'true' });
  expect(none).toBeNull();
  const read: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, nextCursor } = await client.call('approvals.list', { all: 'true', limit: 2, cursor });
    read.push(...items.map(({ id }) => id));
    if (nextCursor === null) break;
    cursor = nextCursor;
  }
  expect(read).toEqual(all.map(({ id }) => id));
  expect(read.length).toBeGreaterThan(2);
});

test('the journal is read by position, by kind, from its end', async () => {
  const all: Fact[] = [];
  for (let since = 0; ; ) {
    const { items, next } = await client.call('facts.list', { since, limit: 20 });
    all.push(...items);
    if (next === since) break;
    since = next;
  }
  expect(all.map((fact) => fact.seq)).toEqual(all.map((_, i) => i + 1));
  const { items, next } = await client.call('facts.list', { recent: 3, kind: ['task.changed'] });
  expect(items).toEqual(all.filter((fact) => fact.kind === 'task.changed').slice(-3));
  expect(next).toBe(all.length);
  expect((await client.call('facts.list', { class: 'observation', since: 0 })).items.length).toBeGreaterThan(0);

  const refused = (input: InputOf<'facts.list'>) =>
    client.call('facts.list', input).catch((e: { code: string }) => e.code);
  expect(await refused({ kind: ['nonsense'] })).toBe('bad_request');
  expect(await refused({ since: 1, recent: 1 })).toBe('bad_request');
  expect(await refused({ since: 1_000_000 })).toBe('bad_request');
});

test('what is kept is read whole from 0, over positions that are gone', async () => {
  const { store } = engine;
  await store.prune({ streamMs: -1, observationMs: -1, stateMs: 1e9, maxBytes: 1e9 }, 1_000);
  const { items: kept, next: end } = await client.call('facts.list', { since: 0, limit: 1000 });
  expect(kept.length).toBeGreaterThan(2);
  await expect(client.call('facts.list', { since: 1 })).rejects.toMatchObject({ code: 'gone' });
  const read: Fact[] = [];
  for (let since = 0; since < end; ) {
    const { items, next } = await client.call('facts.list', { since, kept: 'true', limit: 1 });
    read.push(...items);
    since = next;
  }
  expect(read).toEqual(kept);
});

test('the plugin tells a request from its first kept fact on, though older facts are gone', async () => {
  const told: Observation[] = [];
  const done = Promise.withResolvers<string>();
  const requests = new Requests({
    client: async () => client,
    directory: repository.root,
    report: (observations) => void told.push(...observations),
    warn: done.reject,
    tell: done.resolve,
  });
  const [request] = (await client.call('requests.list', { state: ['done'] })).items;
  if (!request) throw new Error('no request');
  requests.adopt('ses_1', { ...request, state: 'running' });
  expect(await done.promise).toContain(`request ${request.id} is done`);
  requests.close();
  expect(told.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['TaskPlanned', 'TaskAssigned', 'TaskCompleted']),
  );
});

test('facts after a position that are no longer kept are said to be gone', async () => {
  const { store } = engine;
  const head = store.journal.head();
  await store.prune({ streamMs: -1, observationMs: -1, stateMs: -1, maxBytes: 1e9 }, 1_000);
  await expect(client.call('facts.list', { since: 1 })).rejects.toMatchObject({
    code: 'gone',
    details: { prunedTo: head },
  });
  expect((await client.call('facts.list', { since: 0 })).items).toEqual([]);
});

test('a login link leads to this daemon; stopping is passed on with who asked', async () => {
  expect((await client.call('login.create', {})).url).toMatch(/^http:\/\/daemon\/login\?code=/);
  expect(await client.call('shutdown', { cause: 'tests' })).toEqual({ isStopping: true });
  expect(stops).toEqual(['tests by token:admin']);
});
