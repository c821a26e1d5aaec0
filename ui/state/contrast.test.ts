import { expect, test } from 'vitest';
import { contrast, hardToRead, isDark } from './contrast.ts';

test('contrast is that of WCAG, in every way to write a colour', () => {
  expect(contrast('#000', 'white')).toBeCloseTo(21);
  expect(contrast('rgb(118, 118, 118)', '#ffffff')).toBeCloseTo(4.54, 2);
  expect(contrast('#777777', '#777')).toBe(1);
  expect(contrast('rgba(0, 0, 0, 0.5)', '#fff')).toBeNull();
});

test('a ground is dark or light', () => {
  expect(['#101216', 'black', 'rgb(30, 30, 60)'].map(isDark)).toEqual([true, true, true]);
  expect(['#f6f7f9', 'white', '#fdf6e3'].map(isDark)).toEqual([false, false, false]);
});

test('pairs that are hard to read are named, the hardest first', () => {
  const good = { bgPrimary: '#fff', bgSecondary: '#fff', bgTertiary: '#fff', textPrimary: '#000' };
  const rest = Object.fromEntries(
    ['textSecondary', 'textQuaternary', 'primary', 'accentSuccess', 'accentWarning', 'accentError', 'accentInfo'].map(
      (name) => [name, '#222'],
    ),
  );
  expect(hardToRead({ ...good, ...rest, textTertiary: '#555' })).toEqual([]);
  const bad = hardToRead({ ...good, ...rest, textTertiary: '#999', bgSecondary: '#bbb' });
  expect(bad[0]).toMatchObject({ text: 'textTertiary', ground: 'bgSecondary' });
  expect(bad).toHaveLength(3);
});
