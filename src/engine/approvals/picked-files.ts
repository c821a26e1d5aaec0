import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';
import type { Approval } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { Git } from '../../git/git.ts';
import type { Parts } from '../parts.ts';
import { checkedPath } from '../policy/open-inside.ts';

const isOutside = (inside: string): boolean => inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside);

/** Where a program may have files picked: in a registered project, or in a workspace. @throws AppError `path_refused` */
export function checkPlace({ store, workspaces }: Pick<Parts, 'store' | 'workspaces'>, directory: string): void {
  const real = isAbsolute(directory) ? realOf(directory) : null;
  if (real === null) throw new AppError('path_refused', `${directory} is no directory by its absolute path`);
  const projects = store.read.projects.list({ state: 'active' });
  if (projects.some(({ path }) => !isOutside(relative(realOf(path) ?? path, real)))) return;
  const inside = relative(realOf(workspaces) ?? workspaces, real);
  if (inside !== '' && !isOutside(inside)) return;
  throw new AppError(
    'path_refused',
    `${directory} is in no project that Gantry knows: gantry project add ${directory}`,
  );
}

function realOf(path: string): string | null {
  try {
    return realpathSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES' && code !== 'ELOOP') throw error;
    return null;
  }
}

/** @throws AppError `bad_request`, `path_refused` unless one regular file inside of the directory is named */
export function checkPicked(directory: string, [wanted, ...more]: readonly string[]): void {
  if (wanted === undefined || more.length > 0) throw new AppError('bad_request', 'one file is to be picked');
  const file = realOf(join(directory, checkedPath(wanted)));
  if (file === null) throw new AppError('bad_request', `there is no file ${wanted} in ${directory}`);
  if (isOutside(relative(realpathSync(directory), file))) {
    throw new AppError('path_refused', `${wanted} leads out of ${directory}`);
  }
  if (!statSync(file).isFile()) throw new AppError('bad_request', `${wanted} is not a regular file`);
}

/** The files that a question lets the person pick from: what git tracks or would, with `search` in the path. */
export async function pickableFiles(
  git: Git,
  { id, subject }: Approval,
  search: string,
  limit: number,
): Promise<{ items: string[]; isTruncated: boolean }> {
  const [directory] = subject.type === 'question' ? subject.questions.flatMap((one) => one.directory ?? []) : [];
  if (directory === undefined) throw new AppError('conflict', `${id} does not ask for a file`);
  const all = await git.readList(directory, ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const wanted = search.toLowerCase();
  const found = [...new Set(all)].filter((path) => !path.endsWith('/') && path.toLowerCase().includes(wanted)).sort();
  return { items: found.slice(0, limit), isTruncated: found.length > limit };
}
