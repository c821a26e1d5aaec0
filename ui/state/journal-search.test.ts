import { expect, test } from 'vitest';
import { piecesOf } from './journal-search.ts';

const marked = (snippet: string, marks: [number, number][]): string =>
  piecesOf({ snippet, marks })
    .map(({ text, isMarked }) => (isMarked ? `[${text}]` : text))
    .join('');

test('marks what was found, whatever the order, and each letter once', () => {
  expect(
    marked('a needle in the hay', [
      [16, 19],
      [2, 8],
    ]),
  ).toBe('a [needle] in the [hay]');
  expect(
    marked('needles', [
      [0, 6],
      [0, 4],
      [3, 7],
    ]),
  ).toBe('[needle][s]');
  expect(marked('nothing', [])).toBe('nothing');
});
