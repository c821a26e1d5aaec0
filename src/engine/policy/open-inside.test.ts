import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../../../test/support/temp.ts';
import { AppError } from '../../contract/errors.ts';
import { checkedPath, deniedBy, readInside } from './open-inside.ts';

const LIMITS = { maxBytes: 1_000, denied: ['**/.env*', '**/*.pem', '**/id_*'] };

const codeOf = async (read: Promise<unknown>): Promise<string> => {
  try {
    await read;
    return 'read';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
};

async function workspace() {
  const temp = await tempDir();
  const root = join(temp.path, 'workspace');
  mkdirSync(join(root, 'sub'), { recursive: true });
  mkdirSync(join(root, '.git'));
  writeFileSync(join(root, 'in.txt'), 'inside');
  writeFileSync(join(root, '.git', 'config'), 'secret');
  writeFileSync(join(temp.path, 'out.txt'), 'outside');
  return { root, outside: join(temp.path, 'out.txt'), temp };
}

describe('a path that a caller gives', () => {
  it.each([
    ['/etc/passwd'],
    ['../out.txt'],
    ['sub/../../out.txt'],
    ['..'],
    ['.'],
    ['sub/..'],
    ['in.txt\0.png'],
    ['..\\out.txt'],
    ['.git/config'],
    ['.GIT/config'],
    ['sub/.Git/hooks/x'],
    ['./.git/HEAD'],
  ])('%j is refused', (path) => {
    expect(() => checkedPath(path)).toThrow(expect.objectContaining({ code: 'path_refused' }));
  });

  it.each([
    ['./in.txt', 'in.txt'],
    ['sub//a', 'sub/a'],
    ['sub/../in.txt', 'in.txt'],
    ['.gitignore', '.gitignore'],
    ['--help', '--help'],
    ['a..b', 'a..b'],
  ])('%j is read as %j', (path, read) => {
    expect(checkedPath(path)).toBe(read);
  });

  it.each([
    ['.env', true],
    ['a/b/.env.local', true],
    ['A/.ENV', true],
    ['keys/server.PEM', true],
    ['id_rsa', true],
    ['env', false],
    ['a.pem.txt', false],
    ['grid_1', false],
  ])('%j fits a pattern that denies: %s', (path, isDenied) => {
    expect(deniedBy(path, LIMITS.denied) !== null).toBe(isDenied);
  });
});

describe('a file of a workspace', () => {
  it('is read when it is a regular one inside, also by a link that stays inside', async () => {
    const { root, temp } = await workspace();
    await using _ = temp;
    symlinkSync('../in.txt', join(root, 'sub', 'link'));
    expect((await readInside(root, 'in.txt', LIMITS)).toString()).toBe('inside');
    expect((await readInside(root, 'sub/link', LIMITS)).toString()).toBe('inside');
  });

  it('is refused when it leads out, is a device, a pipe, a socket or a directory, or is too large', async () => {
    const { root, outside, temp } = await workspace();
    await using _ = temp;
    symlinkSync(outside, join(root, 'link'));
    symlinkSync('/etc', join(root, 'etc'));
    symlinkSync('/dev/zero', join(root, 'zero'));
    symlinkSync('nowhere', join(root, 'broken'));
    symlinkSync('.git/config', join(root, 'config'));
    symlinkSync('loop', join(root, 'loop'));
    writeFileSync(join(root, 'id_key'), 'secret');
    symlinkSync('id_key', join(root, 'innocent'));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const server = createServer().listen(join(root, 'sock'));
    const refused = ['link', 'etc/passwd', 'zero', 'broken', 'config', 'loop', 'innocent', 'pipe', 'sock', 'sub'];
    for (const path of refused)
      expect([path, await codeOf(readInside(root, path, LIMITS))]).toEqual([path, 'path_refused']);
    symlinkSync('..', join(root, 'up'));
    for (const path of ['up/none', 'up/none/none', 'etc/none']) {
      expect([path, await codeOf(readInside(root, path, LIMITS))]).toEqual([path, 'path_refused']);
    }
    expect(await codeOf(readInside(root, 'none', LIMITS))).toBe('not_found');
    expect(await codeOf(readInside(root, 'sub/none/none', LIMITS))).toBe('not_found');
    expect(await codeOf(readInside(root, 'in.txt/more', LIMITS))).toBe('not_found');
    writeFileSync(join(root, 'huge'), '');
    truncateSync(join(root, 'huge'), 1_073_741_824);
    const before = process.memoryUsage().rss;
    await expect(readInside(root, 'huge', LIMITS)).rejects.toThrow(
      'File too large: huge (1073741824 bytes exceeds limit of 1000 bytes). Configure MAX_TASK_FILE_SIZE environment variable to increase limit.',
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    server.close();
  });

  it('never gives what is outside while a link is exchanged against a file again and again', async () => {
    const { root, outside, temp } = await workspace();
    await using _ = temp;
    const target = join(root, 'swap');
    let isOver = false;
    const swapping = (async (): Promise<void> => {
      for (let n = 0; !isOver; n += 1) {
        const next = join(root, `next-${n}`);
        if (n % 2 === 0) symlinkSync(outside, next);
        else linkSync(join(root, 'in.txt'), next);
        await rename(next, target);
      }
    })();
    const seen = new Set<string>();
    for (let n = 0; n < 2_000; n += 1) {
      const read = await readInside(root, 'swap', LIMITS).then(
        (bytes) => bytes.toString(),
        (error: unknown) => (error instanceof AppError ? error.code : String(error)),
      );
      seen.add(read);
    }
    isOver = true;
    await swapping;
    expect(seen).not.toContain('outside');
    expect(seen).toContain('inside');
  });
});
