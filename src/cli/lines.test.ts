import { expect, it } from 'vitest';
import { splitWords } from './lines.ts';

it.each([
  ['approve apr_1 --for session', ['approve', 'apr_1', '--for', 'session']],
  ['send a/b/c "two words" \'and "more"\'', ['send', 'a/b/c', 'two words', 'and "more"']],
  ['say a\\ b "c\\"d" e"f g"h', ['say', 'a b', 'c"d', 'ef gh']],
  ['answer x ""', ['answer', 'x', '']],
  ['open "quote', ['open', 'quote']],
  ['  ', []],
])('splits %j as a shell does', (line, words) => {
  expect(splitWords(line)).toEqual(words);
});
