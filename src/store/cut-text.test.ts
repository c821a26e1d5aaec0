import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutText, MAX_TEXT_BYTES } from './cut-text.ts';

const bytes = (text: string): number => Buffer.byteLength(text);

it('keeps the longest beginning that fits, without half a character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 0, max: 80 }), (text, maxBytes) => {
      const cut = cutText(text, maxBytes);
      expect(text.startsWith(cut.text)).toBe(true);
      expect(bytes(cut.text)).toBeLessThanOrEqual(maxBytes);
      expect(cut.isTruncated).toBe(cut.text !== text);
      const next = [...text.slice(cut.text.length)][0] ?? '';
      if (cut.isTruncated) expect(bytes(cut.text + next)).toBeGreaterThan(maxBytes);
    }),
  );
});

it('cuts at 64 kB unless told otherwise', () => {
  expect(cutText('é'.repeat(MAX_TEXT_BYTES))).toEqual({ text: 'é'.repeat(MAX_TEXT_BYTES / 2), isTruncated: true });
  expect(cutText('x'.repeat(MAX_TEXT_BYTES)).isTruncated).toBe(false);
});
