import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Journal } from './journal.ts';

let store: string;
beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), 'gantry-journal-'));
});
afterEach(() => rmSync(store, { recursive: true }));

const begin = (): Journal => {
  const journal = Journal.create(store, { directory: '/w', title: 't', from: null });
  journal.append({ type: 'prompt', turn: 'prm_1', id: 'prm_1', text: 'first', isScripted: true, at: 1 });
  journal.append({ type: 'step-done', turn: 'prm_1' });
  return journal;
};

test('a line that a kill has cut is no entry, and the next one stands by itself', () => {
  const { nativeId } = begin();
  appendFileSync(join(store, `${nativeId}.ndjson`), '{"type":"step-done","tur');
  const again = Journal.load(store, nativeId);
  expect(again?.step).toBe(1);
  again?.append({ type: 'step-done', turn: 'prm_1' });
  expect(Journal.load(store, nativeId)?.step).toBe(2);
});

test('a fork has the words, and its open turn is over', () => {
  const journal = begin();
  const fork = Journal.create(store, { directory: '/v', title: 't', from: journal });
  expect(fork.nativeId).not.toBe(journal.nativeId);
  expect(fork.items()).toEqual(journal.items());
  expect(fork.turns.get('prm_1')?.end?.outcome).toBe('interrupted');
  expect(Journal.load(store, journal.nativeId)?.turns.get('prm_1')?.end).toBeNull();
});

test.each(['fake_00', 'fake_../../etc', 'nothing'])('"%s" is not there', (nativeId) => {
  expect(Journal.load(store, nativeId)).toBeNull();
});
