import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { temporaryStore } from '../../../test/support/store.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { AppError } from '../../contract/errors.ts';
import type { NewEvent } from '../events.ts';
import { SearchIndex } from './index.ts';
import { expressionOf, matchOf } from './query.ts';
import { Search } from './search.ts';

const DAY = 86_400_000;

const event = (payload: Record<string, unknown>, over: Partial<NewEvent> = {}): NewEvent => ({
  at: 1_700_000_000_000,
  source: 'demo-app',
  session: 'native-1',
  type: 'PostToolUse',
  text: JSON.stringify({
    source_app: 'demo-app',
    session_id: 'native-1',
    hook_event_type: 'PostToolUse',
    timestamp: 1,
    payload,
    unknown_key: { note: 'periwinkle' },
  }),
  notes: { token: null },
  chat: null,
  repeat: null,
  actor: 'test',
  ...over,
});

it('finds words in outputs, prompts, transcripts and unknown keys: phrases, beginnings, fields; newest first', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  await store.observeEvents([
    event({ tool_name: 'Bash', tool_response: { stdout: 'the quick brown fox' } }),
    event({ prompt: 'paint it cerulean' }),
    event({}, { chat: [JSON.stringify({ role: 'user', content: [{ text: 'vermilion sunset' }] })] }),
  ]);
  await store.observe([
    { kind: 'text', data: { partId: 'p', text: 'a fox of my own', isTruncated: false }, subject: {}, actor: 'gantry' },
  ]);
  const file = join(home.dir, 'search.db');
  const clock = new ManualClock(0);
  const find = async (search: Search, query: string) => (await search.find({ q: query }, { limit: 10 }))?.seqs;
  {
    await using search = new Search({ journal: store.file, file }, clock, silentLog);
    expect(await find(search, 'fox')).toEqual([4, 1]);
    expect(await find(search, '"quick brown"')).toEqual([1]);
    expect(await find(search, '"brown quick"')).toEqual([]);
    expect(await find(search, 'cerul*')).toEqual([2]);
    expect(await find(search, 'chat:vermilion')).toEqual([3]);
    expect(await find(search, 'tool:bash output:fox')).toEqual([1]);
    expect(await find(search, 'periwinkle')).toEqual([3, 2, 1]);
    await store.observeEvents([event({ prompt: 'said later' })]);
    expect(await find(search, 'later')).toEqual([5]);
    // Its thread has ended for want of work; a question starts another.
    clock.advance(60_000);
    expect(await find(search, 'later')).toEqual([5]);
  }
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await using again = new Search({ journal: store.file, file }, clock, silentLog);
  expect(await find(again, 'fox')).toEqual([4, 1]);
});

it('forgets what the journal has removed', async () => {
  await using home = await temporaryStore();
  const { store, clock } = home;
  await store.observeEvents([event({ prompt: 'old fox' }, { at: clock.now() })]);
  const file = join(home.dir, 'search.db');
  {
    const index = new SearchIndex(store.file, file);
    while (index.step());
    expect(index.find('fox', { limit: 9 })).toEqual([1]);
    index.close();
  }
  clock.advance(2 * DAY);
  await store.observeEvents([event({ prompt: 'young fox' }, { at: clock.now() })]);
  await store.prune({ streamMs: DAY, observationMs: DAY, stateMs: DAY, maxBytes: 1e12 }, 60_000);
  const index = new SearchIndex(store.file, file);
  while (index.step() || index.forget());
  expect(index.find('fox', { limit: 9 })).toEqual([2]);
  index.close();
});

it('builds a damaged index anew, and leaves alone what fails for another reason', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  await store.observeEvents([event({ prompt: 'the fox' })]);
  const file = join(home.dir, 'search.db');
  const found = async (): Promise<readonly number[] | undefined> => {
    await using search = new Search({ journal: store.file, file }, new ManualClock(0), silentLog);
    const ask = async () => (await search.find({ q: 'fox' }, { limit: 9 }))?.seqs;
    // What is found damaged in the middle of a question is there for the next one.
    return await ask().catch((error: AppError) => (error.code === 'internal' ? ask() : Promise.reject(error)));
  };
  writeFileSync(file, 'this is no database'.repeat(300));
  expect(await found()).toEqual([1]);
  const pages = readFileSync(file);
  // Behind the pages of the schema and of the cursor.
  writeFileSync(file, pages.fill(0xff, 3 * 4_096));
  expect(await found()).toEqual([1]);
  rmSync(file);
  const own = new DatabaseSync(file);
  own.exec('CREATE TABLE state (theirs TEXT)');
  own.close();
  await expect(found()).rejects.toMatchObject({ message: expect.stringContaining('no such column') });
  expect(readFileSync(file).includes('theirs')).toBe(true);
});

it('names the fields there are, and lets no expression of the index through', () => {
  expect(() => matchOf('colour:red')).toThrow(/type, source, session/);
  expect(() => matchOf('*** ""')).toThrow(/expected a word/);
  expect(expressionOf({ q: 'a\0b', among: { source: ['x" OR "y'], type: ['???'] } })).toBe(
    '("a b") AND source : ("x"" OR ""y")',
  );
  expect(expressionOf({ among: { type: ['???'] } })).toBeNull();
  expect(matchOf('a"b OR NEAR(c d)')).toBe('"a" AND "b" AND "OR" AND "NEAR(c" AND "d)"');
});
