import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../../../test/support/temp.ts';
import { identityOf } from '../../process/identity.ts';
import { whyNotResumed } from './resume.ts';

const nativeId = '0d9f9a0e-0000-4000-8000-000000000001';

/** A configuration directory with one conversation in it. */
async function configWith(root: string, live: object | null): Promise<string> {
  const line = { type: 'user', uuid: 'u', cwd: root, promptSource: 'sdk', message: { content: 'words' } };
  await mkdir(join(root, 'config', 'projects', '-any'), { recursive: true });
  await mkdir(join(root, 'config', 'sessions'), { recursive: true });
  await writeFile(join(root, 'config', 'projects', '-any', `${nativeId}.jsonl`), `${JSON.stringify(line)}\n{"cut`);
  if (live)
    await writeFile(join(root, 'config', 'sessions', '1.json'), JSON.stringify({ sessionId: nativeId, ...live }));
  return join(root, 'config');
}

test('a conversation is gone on with where it began, and nowhere else', async () => {
  await using dir = await tempDir();
  const config = await configWith(dir.path, null);
  const from = { type: 'resume', nativeId } as const;
  expect(await whyNotResumed({ from, directory: dir.path }, config)).toBeNull();
  expect(await whyNotResumed({ from, directory: config }, config)).toContain(`works in ${dir.path}`);
  const other = { type: 'resume', nativeId: 'unknown' } as const;
  expect(await whyNotResumed({ from: other, directory: dir.path }, config)).toContain('does not know');
});

test('one that another program has open is not taken from it; one that a killed program left is', async () => {
  await using dir = await tempDir();
  const from = { type: 'resume', nativeId } as const;
  const procStart = identityOf(process.pid)?.startTime.split('@')[0];
  const open = await configWith(dir.path, { pid: process.pid, procStart });
  await expect(whyNotResumed({ from, directory: dir.path }, open)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`process ${process.pid}`),
  });
  expect(await whyNotResumed({ from: { ...from, type: 'fork' }, directory: dir.path }, open)).toBeNull();
  const left = await configWith(dir.path, { pid: process.pid, procStart: '1' });
  expect(await whyNotResumed({ from, directory: dir.path }, left)).toBeNull();
});
