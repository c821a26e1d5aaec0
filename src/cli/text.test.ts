import { describe, expect, it } from 'vitest';
import { bytes, clip, clipStart, cost, count, duration, oneLine, safeText, widthOf, wrap } from './text.ts';

describe('text for a terminal', () => {
  it('measures columns, not characters', () => {
    expect([
      widthOf('abc'),
      widthOf('日本'),
      widthOf('e\u0301'),
      widthOf('\u001b[31mred\u001b[39m'),
      widthOf('🚀'),
    ]).toEqual([3, 4, 1, 3, 2]);
  });

  it('cuts to a width without splitting a wide letter', () => {
    expect(clip('hello world', 7)).toBe('hello…');
    expect(clip('日本語', 4)).toBe('日…');
    expect(clip('ok', 2)).toBe('ok');
    expect(clip('ok', 0)).toBe('');
    expect(clipStart('the last words', 6)).toBe('…words');
  });

  it('breaks lines between words, and words that are too long', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
    expect(wrap('a\nb', 10)).toEqual(['a', 'b']);
    expect(wrap('  one two', 6)).toEqual(['  one', '  two']);
  });

  it('takes escape sequences and control characters out of foreign words', () => {
    expect(safeText('a\u001b[2Jb\u0007\r\nc\u202e')).toBe('ab\ufffd\nc\ufffd');
    expect(oneLine('  a\n\tb  ')).toBe('a b');
  });

  it.each([
    [0, '0.0s'],
    [9_949, '9.9s'],
    [9_960, '10s'],
    [59_600, '1m 00s'],
    [185_000, '3m 05s'],
    [7_440_000, '2h 04m'],
    [176_400_000, '2d 1h'],
  ])('writes %i ms as %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it('writes sizes, numbers and money', () => {
    expect([bytes(0), bytes(1536), bytes(99_960), bytes(12_000_000)]).toEqual(['0 B', '1.5 kB', '100 kB', '12.0 MB']);
    expect([count(999), count(1234), count(3_400_000)]).toEqual(['999', '1.2k', '3.4M']);
    expect([cost(null), cost(0), cost(0.0042), cost(1.5)]).toEqual(['unknown', '$0.00', '$0.0042', '$1.50']);
  });
});
