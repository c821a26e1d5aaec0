import { describe, expect, test } from 'vitest';
import { duration, firstLine, money, relative, short, tokens } from './words.ts';

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1_234, '1.2 s'],
  [59_900, '59 s'],
  [61_000, '1 min 1 s'],
  [120_000, '2 min'],
  [7_500_000, '2 h 5 min'],
  [90_000_000, '1 d 1 h'],
])('%d ms last %s', (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [1_000, 'now'],
  [-30_000, '30 s ago'],
  [-3_700_000, '1 h ago'],
  [90_000, 'in 1 min'],
])('%d ms from now is %s', (ms, text) => expect(relative(10_000_000 + ms, 10_000_000)).toBe(text));

describe('numbers', () => {
  test.each([
    [1, '1 token'],
    [950, '950 tokens'],
    [12_345, '12.3 k tokens'],
    [4_000_000, '4 M tokens'],
  ])('%d', (count, text) => expect(tokens(count)).toBe(text));

  test.each([
    [null, 'unknown'],
    [0, '$0'],
    [0.0012, '$0.0012'],
    [12.345, '$12.35'],
  ])('%s of money', (usd, text) => expect(money(usd)).toBe(text));

  test('a thousand of thousands is a million', () => expect(short(999_999)).toBe('1000 k'));
});

test('a line is cut to its length', () => {
  expect(firstLine('  one\ntwo')).toBe('one');
  expect(firstLine('abcdef', 4)).toBe('abc…');
});
