import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Access, Verified } from '../../src/api/access.ts';
import type { EventParts } from '../../src/api/events/door.ts';
import type { Handlers } from '../../src/api/handlers.ts';
import type { Begun, IdempotencyKeys } from '../../src/api/idempotency.ts';
import { type ApiParts, startApi } from '../../src/api/server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Scope } from '../../src/base/scope.ts';
import { OPERATIONS, type OperationName } from '../../src/contract/api.ts';
import type { Caller } from '../../src/contract/caller.ts';
import { AppError } from '../../src/contract/errors.ts';
import { Approvals } from '../../src/engine/approvals/approvals.ts';
import { ForeignAnswers } from '../../src/engine/approvals/foreign-answers.ts';
import { Events } from '../../src/engine/observations/events.ts';
import { Themes } from '../../src/engine/observations/themes.ts';
import { checkAnswerAddress } from '../../src/ingest/address.ts';
import { createMask } from '../../src/ingest/mask.ts';
import { Search } from '../../src/store/search/search.ts';
import { Store } from '../../src/store/store.ts';
import { testSettings } from './engine.ts';

export type Call = { readonly name: string; readonly input: unknown; readonly caller: Caller };

const SCOPES = ['admin', 'operate', 'approve', 'ingest', 'read'] as const;

/** A daemon's HTTP side on a real port and a real store; its handlers are the test's own. */
export async function openTestApi(
  given: Partial<Omit<ApiParts, 'handlers'>> & {
    handlers?: Partial<Handlers>;
    eventLimits?: NonNullable<EventParts['limits']>;
  } = {},
) {
  const scope = new Scope();
  const dir = mkdtempSync(join(tmpdir(), 'gantry-api-'));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  const store = Store.open({ dir, clock: systemClock, log: silentLog });
  scope.defer(() => store.close());
  const calls: Call[] = [];
  const access = testAccess();
  const { handlers, eventLimits = {}, ...parts } = given;
  const observing = testEvents(store, scope);
  const api = await startApi({
    access,
    idempotency: testKeys(),
    journal: store.journal,
    events: { ...observing, limits: eventLimits },
    onCommit: (listener) => store.onCommit(listener),
    clock: systemClock,
    log: silentLog,
    host: '127.0.0.1',
    port: 0,
    version: '0.0.0-test',
    notReady: () => null,
    metrics: async () => [],
    nodes: { accept: (socket) => socket.close(), recheck: () => undefined, close: () => undefined },
    ...parts,
    handlers: { ...recordingHandlers(calls), ...handlers },
  }).catch(async (error: unknown) => {
    await scope.close();
    throw error;
  });
  scope.defer(() => api.close(0));
  const send = (path: string, { token = 'admin', ...init }: RequestInit & { token?: string | null } = {}) => {
    const headers = new Headers(init.headers);
    if (token !== null) headers.set('Authorization', `Bearer ${token}`);
    return fetch(`${api.url}${path}`, { redirect: 'manual', ...init, headers });
  };
  const post = (path: string, body: unknown, { headers, ...init }: Parameters<typeof send>[1] = {}) =>
    send(path, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
      headers: { 'Content-Type': 'application/json', ...(headers as Record<string, string>) },
    });
  return {
    ...api,
    store,
    events: observing.events,
    access,
    calls,
    send,
    post,
    [Symbol.asyncDispose]: () => scope.close(),
  };
}

/** The events API as it is without any configuration. */
function testEvents(store: Store, scope: Scope): EventParts {
  const parts = {
    store,
    clock: systemClock,
    log: silentLog,
    settingsFor: () => testSettings(),
    workspaces: dirname(store.file),
  };
  const questions = new ForeignAnswers(parts, (seq) => events.json(seq));
  const approvals = new Approvals(parts, questions);
  scope.defer(() => {
    approvals.stop();
    questions.stop();
  });
  const events: Events = new Events(parts, approvals, questions);
  let search: Search | null = null;
  const open = (): Search => {
    const opened = new Search(
      { journal: store.file, file: join(dirname(store.file), 'search.db') },
      systemClock,
      silentLog,
    );
    scope.defer(() => opened[Symbol.asyncDispose]());
    return opened;
  };
  return {
    events,
    themes: new Themes(parts),
    search: {
      find: (query, range) => {
        search ??= open();
        return search.find(query, range);
      },
    },
    rules: {
      mask: createMask(new Uint8Array(32), []),
      checkAddress: (address) => checkAnswerAddress(address, { ownPort: 4000, hosts: [] }),
    },
    settings: () => ({ openIngest: false, origins: [] }),
  };
}

export type TestApi = Awaited<ReturnType<typeof openTestApi>>;

/** Each handler records its call and answers with it: what the operation's output would be is not asked here. */
function recordingHandlers(calls: Call[]): Handlers {
  const names = Object.keys(OPERATIONS) as OperationName[];
  const entries = names.map((name) => {
    const handler = (input: unknown, caller: Caller): Call => {
      const call = { name, input, caller };
      calls.push(call);
      return call;
    };
    return [name, handler];
  });
  return Object.fromEntries(entries) as Handlers;
}

/** One token per scope, named like it; `agent` is an agent's own with every right that a scope can give. */
export function testAccess(): Access & { readonly valid: Map<string, Verified>; readonly codes: Set<string> } {
  const valid = new Map<string, Verified>();
  const codes = new Set<string>();
  const add = (token: string, caller: Caller): void => {
    valid.set(token, { caller, tokenId: `tok_${token}000000`, name: token, expiresAt: null });
  };
  for (const scope of SCOPES) add(scope, { actor: `token:${scope}`, scope, agent: null });
  add('agent', { actor: 'agent:demo/worker/one', scope: 'admin', agent: 'demo/worker/one' });
  return {
    valid,
    codes,
    verify: (token) => valid.get(token) ?? null,
    create: () => {
      throw new AppError('unsupported', 'not in this test');
    },
    list: () => [],
    revoke: (id) => {
      throw new AppError('not_found', id);
    },
    createLogin: () => {
      const code = `code${codes.size}`;
      codes.add(code);
      return { code, expiresAt: Date.now() + 60_000 };
    },
    redeemLogin: (code) => {
      if (!codes.delete(code)) return null;
      add(`session-${code}`, { actor: 'person', scope: 'admin', agent: null });
      return { secret: `session-${code}`, expiresAt: Date.now() + 60_000 };
    },
  };
}

export function testKeys(): IdempotencyKeys & { readonly kept: Map<string, Begun> } {
  const kept = new Map<string, Begun>();
  return {
    kept,
    begin: (scope, key, inputHash) => {
      const before = kept.get(`${scope} ${key}`);
      if (before) return before;
      kept.set(`${scope} ${key}`, { type: 'unfinished', inputHash });
      return { type: 'new' };
    },
    finish: (scope, key, answer) => {
      const begun = kept.get(`${scope} ${key}`);
      if (begun?.type !== 'unfinished') throw new AppError('internal', 'finished before it was begun');
      kept.set(`${scope} ${key}`, { type: 'finished', inputHash: begun.inputHash, answer });
    },
    abandon: (scope, key) => void kept.delete(`${scope} ${key}`),
  };
}
