import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../../test/support/temp.ts';
import { MatrixSettings } from '../contract/matrix.ts';
import { matrixToken } from './matrix.ts';

const given = { url: 'https://matrix.example.org', user: '@gantry:example.org', senders: ['@alice:example.org'] };

test('the token comes from the variable that is named, or from a file that only its owner can read', async () => {
  await using home = await tempDir();
  const tokenFile = join(home.path, 'token');
  const named = MatrixSettings.parse({ ...given, token: 'MATRIX_TOKEN' });
  expect(matrixToken(named, { MATRIX_TOKEN: 'syt_a' })).toBe('syt_a');
  expect(matrixToken(named, {})).toBeNull();
  const filed = MatrixSettings.parse({ ...given, tokenFile });
  expect(matrixToken(filed, {})).toBeNull();
  await writeFile(tokenFile, 'syt_b\n', { mode: 0o644 });
  expect(matrixToken(filed, {})).toBeNull();
  await chmod(tokenFile, 0o600);
  expect(matrixToken(filed, {})).toBe('syt_b');
});

test.each([
  ['neither', {}, 'expected either `token` or `tokenFile`'],
  ['both', { token: 'A', tokenFile: '/a' }, 'expected either `token` or `tokenFile`'],
  ['the token itself', { token: 'syt_abc' }, 'the NAME of a variable, not a token'],
  ['a relative file', { tokenFile: 'token' }, 'an absolute path'],
  ['a name without a server', { token: 'A', senders: ['alice'] }, 'a Matrix user such as'],
  ['an alias', { token: 'A', room: '#all:example.org' }, 'the id of a room'],
  ['nobody who may command', { token: 'A', senders: [] }, '>=1 items'],
])('%s is refused', (_, more, message) => {
  expect(MatrixSettings.safeParse({ ...given, ...more }).error?.message).toContain(message);
});
