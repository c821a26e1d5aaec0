import { expect, test } from 'vitest';
import { AppError, toAppError } from './errors.ts';

test.each([
  [Object.assign(new Error('write failed'), { code: 'ENOSPC' }), 'disk_full'],
  [Object.assign(new Error('open failed'), { code: 'EACCES' }), 'internal'],
  [new AppError('stale', 'old'), 'stale'],
  ['a text', 'internal'],
  [null, 'internal'],
] as const)('%s becomes an AppError with its code', (thrown, code) => {
  const error = toAppError(thrown);
  expect(error).toBeInstanceOf(AppError);
  expect(error.code).toBe(code);
});
