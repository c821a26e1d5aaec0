import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, posix, relative, sep } from 'node:path';
import { AppError } from '../../contract/errors.ts';

const refused = (why: string): AppError => new AppError('path_refused', why);

/**
 * A path as a caller gives it, normalised: relative, without a way up or into git's own directory.
 * @throws AppError `path_refused`
 */
export function checkedPath(wanted: string): string {
  if (wanted.includes('\0')) throw refused('a path holds no NUL');
  if (wanted.includes('\\')) throw refused('a path is written with /');
  if (posix.isAbsolute(wanted)) throw refused('only a path relative to the workspace is read');
  const path = posix.normalize(wanted).replace(/\/+$/, '');
  const parts = path.split('/');
  if (parts.includes('..')) throw refused('it leads out of the workspace');
  if (path === '.' || path === '') throw refused('it names no file');
  if (isGits(path)) throw refused("git's own files are not read");
  return path;
}

/** File systems may not tell upper from lower case. */
const isGits = (path: string): boolean => path.split('/').some((part) => part.toLowerCase() === '.git');

/** The first pattern that a path fits: `**` any directories, `*` within a name; case does not count. */
export function deniedBy(path: string, patterns: readonly string[]): string | null {
  return patterns.find((pattern) => expressionOf(pattern).test(path)) ?? null;
}

const expressionOf = (glob: string): RegExp =>
  new RegExp(
    `^${glob
      .split(/(\*\*\/|\*\*|\*)/)
      .map(
        (part) => ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*' })[part] ?? part.replace(/[\\^$.|?+(){}[\]]/g, '\\$&'),
      )
      .join('')}$`,
    'i',
  );

/**
 * The content of a regular file below `root`. What is checked is the opened file, not its name: a link that is put in
 * the way between check and opening leads nowhere. Links that stay inside are followed. Nothing that could block or act
 * when it is opened (a pipe, a device) is read.
 * @throws AppError `path_refused`, `not_found`, `too_large` before anything is read
 */
export async function readInside(
  root: string,
  path: string,
  { maxBytes, denied }: { readonly maxBytes: number; readonly denied: readonly string[] },
): Promise<Buffer> {
  const full = `${root}/${path}`;
  const top = await realpath(root);
  const seen = await lookAt(top, full);
  if (!seen.isFile()) throw refused('it is not a regular file');
  await using handle = await open(full, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  const opened = await handle.stat();
  if (!opened.isFile()) throw refused('it is not a regular file');
  const inside = relative(await realpath(root), await pathOf(handle, full))
    .split(sep)
    .join('/');
  if (inside === '' || inside === '..' || inside.startsWith('../')) throw refused('it leads out of the workspace');
  if (isGits(inside)) throw refused("git's own files are not read");
  const pattern = deniedBy(inside, denied);
  if (pattern !== null) throw refused(`the pattern ${pattern} keeps it from being read`);
  if (opened.size > maxBytes) throw tooLarge(path, opened.size, maxBytes);
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (length > maxBytes) throw tooLarge(path, length, maxBytes);
    if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
  }
}

export const tooLarge = (path: string, size: number, limit: number): AppError =>
  new AppError(
    'too_large',
    `File too large: ${path} (${size} bytes exceeds limit of ${limit} bytes). Configure MAX_TASK_FILE_SIZE environment variable to increase limit.`,
  );

async function lookAt(root: string, path: string): ReturnType<typeof stat> {
  try {
    return await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw refused('it is not a regular file');
    // A link to nowhere is there, but not a file; and whether there is something outside is not told either.
    const isLink = await lstat(path).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
    if (isLink) throw refused('it is not a regular file');
    if (isOutside(relative(root, await nearest(path)))) throw refused('it leads out of the workspace');
    throw new AppError('not_found', 'there is no such file');
  }
}

/** The deepest directory of a path that is there, links resolved. */
async function nearest(path: string): Promise<string> {
  const parent = dirname(path);
  return await realpath(parent).catch(() => nearest(parent));
}

const isOutside = (inside: string): boolean => inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside);

/** Where an open file really is. */
async function pathOf(handle: FileHandle, name: string): Promise<string> {
  if (process.platform === 'linux') return await readlink(`/proc/self/fd/${handle.fd}`);
  const real = await realpath(name);
  const [opened, named] = [await handle.stat({ bigint: true }), await stat(real, { bigint: true })];
  if (opened.ino !== named.ino || opened.dev !== named.dev) throw refused('it was exchanged while it was opened');
  return real;
}
