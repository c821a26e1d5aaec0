import { expect, test } from 'vitest';
import { checkVersion } from './version.ts';

test.each([
  ['2.1.329', false, false],
  ['2.1.400', false, true],
  ['2.1.328', true, false],
  ['2.2.0', true, false],
  ['3.1.329', true, false],
  ['nonsense', true, false],
])('version %s: refused %s, told %s', (version, isRefused, isTold) => {
  const { problem, notice } = checkVersion(version);
  expect([problem !== null, notice !== null]).toEqual([isRefused, isTold]);
  for (const words of [problem, notice]) if (words !== null) expect(words).toContain(version);
});
