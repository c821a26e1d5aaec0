import fc from 'fast-check';
import { expect, test } from 'vitest';
import { literally } from './text-search.ts';

test('words are found as they are, whatever they hold', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'binary' }), fc.string(), (words, around) => {
      fc.pre(words.isWellFormed());
      expect(new RegExp(literally(words), 'iu').test(`${around}${words}${around}`)).toBe(true);
    }),
  );
});

test('signs of patterns are only signs', () => {
  expect(new RegExp(literally('a.b-c/[d]'), 'iu').test('a.b-c/[d]')).toBe(true);
  expect(new RegExp(literally('a.b'), 'iu').test('axb')).toBe(false);
});
