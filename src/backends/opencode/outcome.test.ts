import { expect, test } from 'vitest';
import { NO_USAGE } from '../../contract/usage.ts';
import type { NativeEntry, NativeError, NativeMessage } from './dialect.ts';
import { standingOf } from './outcome.ts';

const failure = { class: 'auth', message: 'no', resetAt: null } as const;
const failed: NativeError = { type: 'failed', failure };
const aborted: NativeError = { type: 'aborted' };

const last = (message: Partial<NativeMessage>): NativeEntry => ({
  message: {
    id: 'msg_2',
    sessionId: 'ses_1',
    role: 'assistant',
    parentId: 'msg_1',
    createdAt: 20,
    completedAt: 30,
    finish: null,
    isCompaction: false,
    error: null,
    usage: NO_USAGE,
    ...message,
  },
  parts: [],
});
const over = (outcome: string, why: typeof failure | null = null): object => ({
  type: 'over',
  verdict: { outcome, failure: why },
});

test.each([
  ['the last answer stops', last({ finish: 'stop' }), null, over('done')],
  ['it is cut off', last({ finish: 'length' }), null, over('length')],
  ['it ends with a call that was refused', last({ finish: 'tools' }), null, over('rejected')],
  ['it failed', last({ error: failed }), null, over('failed', failure)],
  ['it failed and is not complete', last({ error: failed, completedAt: null }), null, over('failed', failure)],
  ['it was aborted', last({ error: aborted }), null, over('interrupted')],
  ['an abort came while it waited for the model', last({}), null, over('interrupted')],
  ['it is not complete', last({ completedAt: null }), null, { type: 'unfinished' }],
  ['no answer was begun', last({ role: 'user' }), null, { type: 'unanswered' }],
  ['no answer was begun, and an error told', last({ role: 'user' }), failed, over('failed', failure)],
  ['no answer was begun, and an abort told', last({ role: 'user' }), aborted, over('interrupted')],
  ['there is no message', null, null, { type: 'unanswered' }],
  ['an error was told, but the answer stands', last({ finish: 'stop' }), failed, over('done')],
] as const)('a turn stands by its newest message: %s', (_, entry, error, expected) => {
  expect(standingOf({ last: entry, isOfTurn: true, error })).toEqual(expected);
});

test('the answer of an earlier turn is none to this one', () => {
  const entry = last({ finish: 'stop' });
  expect(standingOf({ last: entry, isOfTurn: false, error: null })).toEqual({ type: 'unanswered' });
});
