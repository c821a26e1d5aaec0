import { expect, test } from 'vitest';
import { rewrite } from './rewrite.ts';

test('names are replaced wherever they stand alone in a text, and nowhere else', () => {
  const names = [['/a/b', '/x']] as const;
  const value = { '/a/b': ['cat /a/b/c "/a/b"', '/a/bc /a/b-1 /a/b.txt'], n: 1, no: null };
  expect(rewrite(value, names)).toEqual({ '/a/b': ['cat /x/c "/x"', '/a/bc /a/b-1 /a/b.txt'], n: 1, no: null });
  // A name is no pattern, and what replaces it no template.
  expect(rewrite('(/a.b) /aXb', [['/a.b', '$& "{']])).toBe('($& "{) /aXb');
});
