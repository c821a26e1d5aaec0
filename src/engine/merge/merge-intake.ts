import { newId } from '../../base/ids.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { AgentAddress, MergeId, RequestId } from '../../contract/ids.ts';
import { isMergeOver, type Merge, type Verdict } from '../../contract/merge.ts';
import type { Request } from '../../contract/request.ts';
import type { Git } from '../../git/git.ts';
import { branchOf, commitOf } from '../../git/refs.ts';
import type { Reader } from '../../store/store.ts';
import { closeAlert } from '../alerts.ts';
import type { Parts } from '../parts.ts';

/** What the alert of a merge that needs a person is kept under. */
export const mergeAlert = (id: MergeId): string => `merge:${id}`;

/**
 * Puts the collected work of a request into line, or under review where the project asks for that. The same request again
 * answers what is there; one that was rejected or withdrawn joins anew.
 * @throws AppError `conflict` for a request that is not done, has no work or was merged; `bad_request` without a target
 */
export async function addMerge(
  parts: Parts,
  git: Git,
  input: {
    readonly requestId: RequestId;
    readonly target?: string | undefined;
    readonly priority?: number | undefined;
  },
  caller: Caller,
): Promise<Merge> {
  const { read } = parts.store;
  const request = read.requests.need(input.requestId);
  const known = mergeOf(read, request.id);
  if (known) return isMergeOver(known.state) ? await retryMerge(parts, git, known.id, caller) : known;
  const head = request.result?.commit ?? null;
  if (request.state !== 'done' || head === null) {
    const why =
      request.state === 'done'
        ? 'changed nothing: there is nothing to merge'
        : `is ${request.state}: only the work of a request that is done can be merged`;
    throw new AppError('conflict', `${request.id} ${why}`);
  }
  const target = input.target ?? (await targetOf(parts, git, request));
  return parts.store.commit((tx) => {
    const now = parts.clock.now();
    const row: Merge = {
      id: newId('mrg', now),
      requestId: request.id,
      projectId: request.projectId,
      branch: request.branch,
      head,
      target,
      ...entry(parts, tx, request),
      priority: input.priority ?? 2,
      authors: authorsOf(tx, request.id),
      commit: null,
      conflicts: [],
      gate: null,
      reviews: [],
      reviewId: null,
      repairId: null,
      retries: 0,
      createdBy: caller.actor,
      createdAt: now,
      updatedAt: now,
      endedAt: null,
    };
    return mergeOf(tx, request.id) ?? tx.merges.insert(row, { actor: caller.actor, cause: 'joined the merge queue' });
  });
}

/**
 * Into line again, with what its branch holds now; verdicts on other content do not count any more.
 * @throws AppError `illegal_move` for one that is under way or merged; `conflict` if the branch is gone
 */
export async function retryMerge(parts: Parts, git: Git, id: MergeId, caller: Caller): Promise<Merge> {
  const before = parts.store.read.merges.need(id);
  const project = parts.store.read.projects.need(before.projectId);
  const tip = await commitOf(git, project.path, `refs/heads/${before.branch}`);
  // A resolved conflict is ahead of the branch; without the branch the commit itself is what there is.
  const isAhead = tip !== null && tip !== before.head && before.retries > 0;
  const head = tip === null || isAhead ? before.head : tip;
  return parts.store.commit((tx) => {
    const request = tx.requests.need(before.requestId);
    const next = entry(parts, tx, request);
    const reviews = head === before.head ? before.reviews.filter(({ verdict }) => verdict === 'approve') : [];
    closeAlert(tx, mergeAlert(id), 'tried again', { requestId: request.id });
    const patch = {
      head,
      reviews,
      reviewId: null,
      reviewUntil: next.reviewUntil,
      gate: null,
      conflicts: [],
      retries: 0,
      endedAt: null,
    };
    return tx.merges.move(
      id,
      ['rejected', 'withdrawn'],
      next.state,
      { ...patch, cause: next.cause },
      callerMeta(caller),
    );
  });
}

/** @throws AppError `illegal_move` for one that is merged or being merged now */
export function withdrawMerge(parts: Parts, id: MergeId, reason: string | undefined, caller: Caller): Merge {
  const cause = reason ?? `withdrawn by ${caller.actor}`;
  return parts.store.commit((tx) => {
    const { requestId } = tx.merges.need(id);
    closeAlert(tx, mergeAlert(id), 'withdrawn', { requestId });
    const patch = { cause, endedAt: parts.clock.now() };
    return tx.merges.move(id, ['reviewing', 'queued', 'conflict', 'rejected'], 'withdrawn', patch, {
      actor: caller.actor,
      cause,
    });
  });
}

/**
 * Records a verdict; what it leads to is decided by the queue.
 * @throws AppError `forbidden` for an author; `conflict` unless it is under review
 */
export function reviewMerge(
  parts: Parts,
  input: { readonly id: MergeId; readonly verdict: Verdict; readonly text: string },
  caller: Caller,
): Merge {
  const by = caller.agent ?? caller.actor;
  return parts.store.commit((tx) => {
    const merge = tx.merges.need(input.id);
    if (merge.authors.some((author) => author === by)) {
      throw new AppError('forbidden', `${by} is an author of ${merge.id}: nobody approves their own work`);
    }
    if (merge.state !== 'reviewing') {
      throw new AppError('conflict', `${merge.id} is ${merge.state}: only what is reviewing takes a verdict`);
    }
    const review = { by, verdict: input.verdict, text: input.text, at: parts.clock.now() };
    const reviews = [...merge.reviews.filter((one) => one.by !== by), review];
    return tx.merges.update(merge.id, { reviews }, { actor: caller.actor, cause: `${input.verdict} by ${by}` });
  });
}

export const mergeOf = (read: Pick<Reader, 'merges'>, requestId: RequestId): Merge | null =>
  read.merges.list({ requestId, limit: 1 })[0] ?? null;

/** The agents whose work a request holds. */
export function authorsOf(read: Pick<Reader, 'tasks'>, requestId: RequestId): AgentAddress[] {
  const agents = read.tasks
    .list({ requestId })
    .flatMap(({ agent, result }) => (agent && result?.commit ? [agent] : []));
  return [...new Set(agents)];
}

const callerMeta = ({ actor }: Caller) => ({ actor, cause: `into line again, asked by ${actor}` });

function entry(
  parts: Parts,
  read: Pick<Reader, 'projects'>,
  request: Request,
): Pick<Merge, 'cause' | 'reviewUntil'> & { readonly state: 'reviewing' | 'queued' } {
  const { merge } = parts.settingsFor(read.projects.need(request.projectId).path);
  if (merge.approvals === 0) return { state: 'queued', cause: null, reviewUntil: null };
  const whom = merge.reviewRole === null ? '' : ` (agents of the role ${merge.reviewRole} are asked)`;
  const cause = `waits for ${merge.approvals} ${merge.approvals === 1 ? 'approval' : 'approvals'}${whom}`;
  return { state: 'reviewing', cause, reviewUntil: parts.clock.now() + merge.reviewTimeout };
}

async function targetOf(parts: Parts, git: Git, request: Request): Promise<string> {
  const project = parts.store.read.projects.need(request.projectId);
  const { target } = parts.settingsFor(project.path).merge;
  const branch = target ?? (await branchOf(git, project.path));
  if (branch === null) {
    throw new AppError(
      'bad_request',
      `${project.path} has no branch checked out: name the target, or set merge.target`,
    );
  }
  return branch;
}
