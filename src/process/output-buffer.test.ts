import { expect, test } from 'vitest';
import { OutputBuffer } from './output-buffer.ts';

const filled = (head: number, tail: number, chunks: readonly string[]): OutputBuffer => {
  const output = new OutputBuffer(head, tail);
  for (const chunk of chunks) output.add(Buffer.from(chunk));
  return output;
};

test.each([
  ['fits', 4, 4, ['abcd', 'efgh'], 'abcdefgh', false],
  ['fits, cut across the border', 4, 4, ['abcdef', 'gh'], 'abcdefgh', false],
  ['one byte too many', 4, 4, ['abcdefghi'], 'abcd\n[1 bytes left out]\nfghi', true],
  ['many chunks', 2, 2, ['ab', 'cd', 'ef', 'gh'], 'ab\n[4 bytes left out]\ngh', true],
  ['only the end', 0, 3, ['abc', 'def', 'g'], 'efg', true],
  ['nothing', 2, 2, [], '', false],
] as const)('%s', (_name, head, tail, chunks, text, isTruncated) => {
  const output = filled(head, tail, chunks);
  expect(output.text()).toBe(text);
  expect(output.isTruncated).toBe(isTruncated);
});

test('a long output byte by byte keeps its two ends', () => {
  const output = filled(
    3,
    3,
    Array.from({ length: 10_000 }, (_, i) => String(i % 10)),
  );
  expect(output.text()).toBe('012\n[9994 bytes left out]\n789');
});
