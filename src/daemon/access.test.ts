import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { Store } from '../store/store.ts';
import { Tokens } from './access.ts';

let dir: string;
let clock: ManualClock;
let store: Store;
let tokens: Tokens;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gantry-access-'));
  clock = new ManualClock();
  store = Store.open({ dir, clock, log: silentLog });
  tokens = new Tokens(store, clock);
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true });
});

test('a token says who calls and what for, and is stored nowhere', async () => {
  const { token, info } = tokens.create({ name: 'ci', scope: 'operate' });
  expect(tokens.verify(token)).toMatchObject({
    caller: { actor: 'token:ci', scope: 'operate', agent: null },
    tokenId: info.id,
    expiresAt: null,
  });
  expect(tokens.verify(`${token}x`)).toBeNull();
  expect(tokens.verify('')).toBeNull();
  await store.close();
  expect((await readFile(join(dir, 'gantry.db'))).includes(token)).toBe(false);
});

test('an expired or revoked token is none', () => {
  const short = tokens.create({ name: 'short', scope: 'read', ttlMs: 1_000 });
  const long = tokens.create({ name: 'long', scope: 'read' });
  clock.advance(1_000);
  expect(tokens.verify(short.token)).toBeNull();
  expect(tokens.list().map(({ name }) => name)).toEqual(['long']);
  tokens.revoke(long.info.id);
  expect(tokens.verify(long.token)).toBeNull();
  expect(tokens.list()).toEqual([]);
});

test('a login link works once and for five minutes', () => {
  const { code } = tokens.createLogin();
  const session = tokens.redeemLogin(code);
  expect(tokens.verify(session?.secret ?? '')?.caller).toMatchObject({ actor: 'person', scope: 'admin', agent: null });
  expect(tokens.redeemLogin(code)).toBeNull();
  const late = tokens.createLogin();
  clock.advance(300_000);
  expect(tokens.redeemLogin(late.code)).toBeNull();
});

test("the CLI's new token replaces its old one, and no other token can pass for a person's", () => {
  const first = tokens.replacePersonToken('cli');
  const second = tokens.replacePersonToken('cli');
  expect(tokens.verify(first)).toBeNull();
  expect(tokens.verify(second)?.caller.actor).toBe('person');
  expect(() => tokens.create({ name: 'person/cli', scope: 'admin' })).toThrow(/may not begin/);
});

test("an agent's token stays the same and may only read", () => {
  const token = tokens.forAgent('demo/worker/w1');
  expect(new Tokens(store, clock).forAgent('demo/worker/w1')).toBe(token);
  expect(tokens.forAgent('demo/worker/w2')).not.toBe(token);
  const caller = { actor: 'agent:demo/worker/w1', scope: 'read', agent: 'demo/worker/w1' };
  expect(tokens.verify(token)?.caller).toMatchObject(caller);
});

test("an agent's token for another place is one of its own, and ends with the token of that place", () => {
  const own = tokens.forAgent('demo/worker/w1');
  const [one, two] = ['one', 'two'].map((name) => tokens.create({ name, scope: 'node', ttlMs: 1_000 }));
  const [lent, other] = [one, two].map((place) => tokens.lend(own, place?.info.id ?? ''));
  expect(new Set([own, lent, other]).size).toBe(3);
  expect(tokens.lend(own, one?.info.id ?? '')).toBe(lent);
  expect(tokens.verify(lent ?? '')?.caller).toMatchObject({ scope: 'read', agent: 'demo/worker/w1' });
  tokens.revoke(one?.info.id ?? '');
  expect(tokens.verify(lent ?? '')).toBeNull();
  expect(tokens.verify(other ?? '')).not.toBeNull();
  clock.advance(1_000);
  expect(tokens.verify(other ?? '')).toBeNull();
  expect(tokens.verify(own)).not.toBeNull();
});

test('the use of a token is noted, at most every five minutes', () => {
  const { token } = tokens.create({ name: 'ci', scope: 'read' });
  const start = clock.now();
  tokens.verify(token);
  clock.advance(299_999);
  tokens.verify(token);
  expect(tokens.list()[0]?.lastUsedAt).toBe(start);
  clock.advance(1);
  tokens.verify(token);
  expect(tokens.list()[0]?.lastUsedAt).toBe(start + 300_000);
});

test('binds a token of outside programs to their app, and no other token', () => {
  const { token, info } = tokens.create({ name: 'hooks', scope: 'ingest', sourceApp: 'web' });
  expect([info.sourceApp, tokens.verify(token)?.sourceApp]).toEqual(['web', 'web']);
  expect(() => tokens.create({ name: 'all', scope: 'operate', sourceApp: 'web' })).toThrow(
    /only a token of scope ingest/,
  );
});
