import { expect, test } from 'vitest';
import { newId } from '../../base/ids.ts';
import { NO_USAGE } from '../../contract/usage.ts';
import type { Dialect, NativeEntry, NativeMessage, NativePart } from './dialect.ts';
import { standingOfStored } from './stored-prompt.ts';

const ROOT = 'ses_root';
const CHILD = 'ses_child';
const usage = (inputTokens: number): typeof NO_USAGE => ({
  ...NO_USAGE,
  inputTokens,
  costUsd: inputTokens / 1000 || null,
});

const entry = (
  message: Partial<NativeMessage> & { readonly id: string },
  parts: readonly NativePart[],
): NativeEntry => ({
  message: {
    sessionId: ROOT,
    role: 'assistant',
    parentId: null,
    createdAt: 0,
    completedAt: 1,
    finish: null,
    isCompaction: false,
    error: null,
    usage: NO_USAGE,
    ...message,
  },
  parts,
});
const text = (messageId: string, words: string): NativePart => ({
  id: `${messageId}/text`,
  messageId,
  sessionId: ROOT,
  type: 'text',
  text: words,
  isWhole: true,
  isSynthetic: false,
});
const refused = (messageId: string): NativePart => ({
  id: `${messageId}/tool`,
  messageId,
  sessionId: ROOT,
  type: 'tool',
  callId: 'call_1',
  tool: 'question',
  status: 'error',
  title: '',
  input: {},
  output: 'dismissed',
  files: [],
  startedAt: 1,
});
/** A prompt that was sent again has a later time than what it led to. */
const user = (id: string, createdAt = 1_000): NativeEntry =>
  entry({ id, role: 'user', createdAt }, [text(id, 'do it')]);
const answer = (id: string, parentId: string, more: Partial<NativeMessage> = {}, parts?: NativePart[]): NativeEntry =>
  entry({ id, parentId, createdAt: 20, finish: 'stop', usage: usage(10), ...more }, parts ?? [text(id, `said ${id}`)]);

const aborted = { finish: null, error: { type: 'aborted' } } as const;
const failure = { class: 'auth', message: 'no', resetAt: null } as const;
const A = user('a');

const standingIn = (history: readonly NativeEntry[], isBusy = false, child: readonly NativeEntry[] = []) =>
  standingOfStored(
    {
      busy: async () => new Set(isBusy ? [ROOT] : []),
      messages: async (id: string) => ({ entries: id === ROOT ? history : child, next: null }),
      children: async (id: string) =>
        id === ROOT && child.length > 0
          ? [{ id: CHILD, parentId: ROOT, directory: '/', title: '', gantrySession: null, createdAt: 0 }]
          : [],
    } as Partial<Dialect> as Dialect,
    { rootId: ROOT, directory: '/' },
    { id: newId('prm', 0), text: 'do it', native: { messageId: 'a' } },
    A,
  );
const over = (outcome: string, words: string, tokens: number, why: typeof failure | null = null): object => ({
  type: 'over',
  end: { type: 'turn-ended', outcome, text: words, failure: why, usage: usage(tokens) },
});

test.each([
  ['it was answered', [A, answer('1', 'a')], over('done', 'said 1', 10)],
  [
    'it failed',
    [A, answer('1', 'a', { finish: null, error: { type: 'failed', failure } })],
    over('failed', 'said 1', 10, failure),
  ],
  ['its question was refused', [A, answer('1', 'a', { finish: 'tools' }, [refused('1')])], over('rejected', '', 10)],
  ['an earlier turn is before it', [user('0'), answer('x', '0'), A, answer('1', 'a')], over('done', 'said 1', 10)],
  [
    'a newer turn is after it',
    [A, answer('1', 'a'), user('b'), answer('2', 'b', { createdAt: 40 })],
    over('done', 'said 1', 10),
  ],
  [
    'a newer prompt took its turn over',
    [A, answer('1', 'a', { finish: 'tools' }), user('b'), answer('2', 'b')],
    over('done', 'said 1', 10),
  ],
  [
    'it was interrupted for a newer one',
    [A, answer('1', 'a', aborted), user('b'), answer('2', 'b')],
    over('interrupted', 'said 1', 10),
  ],
  [
    'it was never answered, and a newer one was',
    [A, user('b'), answer('2', 'b', { finish: null, completedAt: null })],
    over('interrupted', '', 0),
  ],
  ['it has no answer', [A], { type: 'cut' }],
  ['its answer is not complete', [A, answer('1', 'a', { finish: null, completedAt: null })], { type: 'cut' }],
  ['it stopped between two steps', [A, answer('1', 'a', { finish: 'tools' })], { type: 'cut' }],
  ['it was aborted', [A, answer('1', 'a', aborted)], { type: 'cut' }],
] as const)('a stored prompt: %s', async (_, history, expected) => {
  expect(await standingIn(history)).toMatchObject(expected);
});

test('a stored prompt that is at work runs; an older one beside it is over', async () => {
  expect(await standingIn([A, answer('1', 'a', { completedAt: null, finish: null })], true)).toEqual({ type: 'runs' });
  expect(await standingIn([A, answer('1', 'a'), user('b')], true)).toMatchObject(over('done', 'said 1', 10));
  expect(await standingIn([A, user('b')], true)).toEqual({ type: 'runs' });
});

test('the usage of sub-agents is that of the prompt’s own time', async () => {
  const of = (id: string, createdAt: number): NativeEntry =>
    answer(id, 'c', { sessionId: CHILD, createdAt, usage: usage(1) });
  const child = [of('c0', 10), of('c1', 25), of('c2', 45)];
  const history = [
    user('0'),
    answer('x', '0', { createdAt: 5 }),
    A,
    answer('1', 'a'),
    user('b'),
    answer('2', 'b', { createdAt: 40 }),
  ];
  expect(await standingIn(history, false, child)).toMatchObject(over('done', 'said 1', 11));
});
