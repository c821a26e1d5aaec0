import { newId } from '../../base/ids.ts';
import { GANTRY } from '../../contract/caller.ts';
import type { RequestId } from '../../contract/ids.ts';
import type { Merge } from '../../contract/merge.ts';
import type { Project } from '../../contract/project.ts';
import { isRequestOver, type Request } from '../../contract/request.ts';
import type { Git } from '../../git/git.ts';
import { commitTree } from '../../git/snapshot.ts';
import type { Parts } from '../parts.ts';
import { requestRow } from '../submit.ts';
import type { Conflict } from './merge-batch.ts';
import { authorsOf } from './merge-intake.ts';

const MARKERS = '^(<<<<<<<|>>>>>>>)( |$)';

/**
 * Gives a conflict back as a request of one task. It starts from the merge itself, with git's markers in the files, so that
 * only files are edited: what comes out holds both sides.
 */
export async function openRepair(parts: Parts, git: Git, project: Project, conflict: Conflict): Promise<RequestId> {
  const { merge, files, onto, tree } = conflict;
  const before = parts.store.read.requests.need(merge.requestId);
  const message = `Merge ${merge.branch} into ${merge.target}, with conflicts\n\nGantry-Request: ${before.id}\n`;
  const base = await commitTree(git, project.path, {
    tree,
    parents: [onto, merge.head],
    message,
    author: GANTRY_AUTHOR,
  });
  const options = {
    ...before.options,
    isSingleTask: true,
    isPlanOnly: false,
    isConversation: false,
    merge: 'local' as const,
  };
  const row = requestRow({
    id: newId('req', parts.clock.now()),
    projectId: project.id,
    text: repairText(merge, before, files),
    options,
    baseCommit: base,
    createdBy: GANTRY.actor,
    now: parts.clock.now(),
  });
  const cause = `conflicts with ${merge.target} in ${files.join(', ')}: ${row.id} resolves it`;
  parts.store.commit((tx) => {
    tx.requests.insert(row, { actor: GANTRY.actor, cause: `a conflict of ${merge.id}` });
    const patch = { conflicts: [...files], repairId: row.id, cause };
    tx.merges.move(merge.id, 'queued', 'conflict', patch, { actor: GANTRY.actor, cause });
  });
  return row.id;
}

const GANTRY_AUTHOR = { name: 'Gantry' };

function repairText(merge: Merge, request: Request, files: readonly string[]): string {
  return [
    `Resolve the merge conflict in ${files.join(', ')}.`,
    '',
    `Your work for "${firstLine(request.text)}" and other work that is on ${merge.target} by now change the same lines.`,
    "The files in the working directory hold both sides between git's conflict markers (<<<<<<<, =======, >>>>>>>).",
    'Edit these files so that both intentions hold, and remove every marker. Change nothing else; run no git merge or rebase.',
  ].join('\n');
}

export const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? '').slice(0, 120);

export type Repaired =
  | { readonly type: 'waiting' }
  | { readonly type: 'resolved'; readonly head: string; readonly authors: Merge['authors'] }
  | { readonly type: 'failed'; readonly cause: string };

/** What became of the request that was to resolve a conflict. */
export async function repairOf(parts: Parts, git: Git, project: Project, merge: Merge): Promise<Repaired> {
  const { read } = parts.store;
  const repair = merge.repairId ? read.requests.get(merge.repairId) : null;
  if (!repair) return { type: 'failed', cause: 'the request that was to resolve the conflict is gone' };
  if (!isRequestOver(repair.state)) return { type: 'waiting' };
  const head = repair.result?.commit ?? null;
  if (repair.state !== 'done' || head === null) {
    const why = repair.state === 'done' ? 'changed nothing' : `is ${repair.state}: ${repair.cause ?? ''}`;
    return { type: 'failed', cause: `the conflict was not resolved: ${repair.id} ${why}` };
  }
  const args = ['grep', '--name-only', '-E', MARKERS, head, '--', ...merge.conflicts];
  const { code, stdout } = await git.run(project.path, args, { accepts: [0, 1] });
  if (code === 0) {
    const left = stdout.trim().split('\n').join(', ');
    return { type: 'failed', cause: `the conflict was not resolved: markers are left in ${left}` };
  }
  return { type: 'resolved', head, authors: [...new Set([...merge.authors, ...authorsOf(read, repair.id)])] };
}
