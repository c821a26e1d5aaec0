import type { ParsedInputOf } from '../../contract/api.ts';
import { AppError } from '../../contract/errors.ts';
import type { Task } from '../../contract/task.ts';
import type { Git } from '../../git/git.ts';
import { inspect, type RepositoryState } from '../../git/inspect.ts';
import { branchRef, commitOf } from '../../git/refs.ts';
import type { Settings } from '../settings.ts';

type Input = ParsedInputOf<'tasks.sling'>;

/** A task has the place and end of its request. @throws AppError `bad_request` */
export function checkText(task: Task | null, { isolation, merge, baseBranch, isReviewOnly }: Input): void {
  if (isReviewOnly && merge === 'queue')
    throw new AppError('bad_request', 'a review changes nothing that could be merged: leave out merge or isReviewOnly');
  if (task === null) return;
  const given = Object.entries({ isolation, merge, baseBranch }).flatMap(([key, value]) => (value ? [key] : []));
  if (given.length > 0)
    throw new AppError(
      'bad_request',
      `${task.id} has what its request was given; for a text only: ${given.join(', ')}`,
    );
}

/** The repository with the commit that work starts from as its head. @throws AppError `bad_request` */
export async function startOf(git: Git, path: string, { baseBranch }: Input): Promise<RepositoryState> {
  const state = await inspect(git, path);
  if (baseBranch === undefined) return state;
  const refs = [branchRef(baseBranch), `refs/remotes/${baseBranch}`];
  const [commit] = (await Promise.all(refs.map((ref) => commitOf(git, path, ref)))).filter((found) => found !== null);
  if (commit === undefined) throw new AppError('bad_request', `there is no branch ${baseBranch} in ${path}`);
  return { ...state, headCommit: commit };
}

/** What the flags mean, for whoever only looks. */
export function noticesOf({ baseBranch, merge }: Input, { headCommit }: RepositoryState): string[] {
  const end = merge === 'queue' ? 'when it is done it joins the merge queue' : 'when it is done it stays on its branch';
  return [
    ...(baseBranch === undefined ? [] : [`it starts from ${baseBranch}, at ${headCommit.slice(0, 10)}`]),
    ...(merge === undefined ? [] : [end]),
  ];
}

/** @throws AppError `bad_request` for a review by a role that may change files */
export function roleAsked(
  { roles, merge, defaultRole }: Settings,
  { role, isReviewOnly }: Input,
  task: Task | null,
): string {
  if (!isReviewOnly) return role ?? task?.role ?? defaultRole;
  const readers = Object.keys(roles).filter((name) => roles[name]?.isReadOnly);
  const found = role ?? merge.reviewRole ?? readers[0];
  if (found !== undefined && readers.includes(found)) return found;
  const accepted = readers.join(', ') || 'none; set roles.<name>.isReadOnly';
  throw new AppError('bad_request', `${found ?? 'no role'} is not read-only, as a review asks; accepted: ${accepted}`);
}
