import { AppError, toAppError } from '../../contract/errors.ts';
import type { Project } from '../../contract/project.ts';
import type { FileChange, Request, RequestResult } from '../../contract/request.ts';
import type { Task, TaskResult } from '../../contract/task.ts';
import { changedFiles, diff } from '../../git/changes.ts';
import type { Git } from '../../git/git.ts';
import { mergeOnto } from '../../git/merge.ts';
import { commitOf, createBranch } from '../../git/refs.ts';
import { closeAlert } from '../alerts.ts';
import type { Parts } from '../parts.ts';
import { subjectOf } from '../subject.ts';
import { AttemptFailure } from './attempt-failure.ts';
import type { AttemptLedger } from './attempt-ledger.ts';
import type { Saved, Workspaces } from './workspace.ts';

const collectedKey = (id: Request['id']): string => `collected:${id}`;

/** Brings verified work onto the request's one branch, in the order of the dependencies; no checkout is touched. */
export class Collector {
  readonly #parts: Parts;
  readonly #git: Git;
  readonly #workspaces: Workspaces;

  constructor(parts: Parts, git: Git, workspaces: Workspaces) {
    this.#parts = parts;
    this.#git = git;
    this.#workspaces = workspaces;
  }

  /** Where the next attempt starts from: what is collected so far holds all that it depends on. */
  async head(project: Project, request: Request): Promise<string> {
    return (await this.#tip(project, request)) ?? request.baseCommit;
  }

  /**
   * The request's branch; null while nothing was collected.
   * @throws AppError `git_failed` if it is gone with what was collected: going on from the base would lose that silently
   */
  async #tip(project: Project, { id, branch }: Request): Promise<string | null> {
    // Read first: another task of the request may make the branch in between.
    const collected = this.#parts.store.read.meta.get(collectedKey(id));
    const tip = await commitOf(this.#git, project.path, `refs/heads/${branch}`);
    if (tip !== null || collected === null) return tip;
    const remedy = `git -C ${project.path} branch ${branch} ${collected}`;
    throw new AppError('git_failed', `the branch ${branch} with the collected work is gone; bring it back: ${remedy}`);
  }

  /**
   * Merges the attempt's verified commit and ends attempt and task as done. Safe to repeat.
   * @throws AttemptFailure `conflict`, naming the files; the attempt's branch keeps the work
   */
  async collect(
    project: Project,
    ledger: AttemptLedger,
    claim: Saved & { readonly summary: string; readonly checks: TaskResult['checks'] },
  ): Promise<void> {
    const { task, attempt } = ledger;
    const request = this.#parts.store.read.requests.need(task.requestId);
    const { commit, changes } = claim;
    const merged = changes.length > 0 ? await this.#merge(project, request, task, commit, attempt.agent) : null;
    const now = this.#parts.clock.now();
    ledger.change('done', (tx, current, held) => {
      const subject = subjectOf(current, held);
      const isChecked = claim.checks.some(({ isMet }) => isMet === true);
      const cause = isChecked ? 'verified' : 'done as the agent says: no criterion has a command that could check it';
      const meta = { actor: 'gantry', cause, subject };
      const result = {
        summary: claim.summary.slice(0, 4_000),
        commit: changes.length > 0 ? commit : null,
        branch: request.branch,
        filesChanged: changes,
        checks: claim.checks,
      };
      tx.attempts.move(held.id, held.state, 'done', { commit, endedAt: now }, meta);
      tx.tasks.move(current.id, current.state, 'done', { result, cause: null, failure: null, endedAt: now }, meta);
      if (merged !== null) {
        tx.record('collected', { commit: merged, branch: request.branch }, subject, 'gantry');
        tx.meta.set(collectedKey(request.id), merged);
      }
      closeAlert(tx, `task:${current.id}`, 'done', subject);
    });
    await this.#release(project, ledger, request);
  }

  async #merge(project: Project, request: Request, task: Task, theirs: string, agent: string): Promise<string> {
    const repoRoot = project.path;
    const { branch, baseCommit } = request;
    const message = `Merge ${task.label}: ${task.title}\n\nGantry-Task: ${task.id}\n`;
    for (;;) {
      const expected = await this.#tip(project, request).catch((error: unknown) => {
        throw new AttemptFailure({ class: 'conflict', message: toAppError(error).message, resetAt: null });
      });
      if (expected === null) {
        await unlessOvertaken(createBranch(this.#git, repoRoot, branch, baseCommit));
        continue;
      }
      const spec = { repoRoot, branch, expected, theirs, message, author: { name: agent } };
      const result = await unlessOvertaken(mergeOnto(this.#git, spec));
      if (result === 'overtaken') continue;
      if (result.kind !== 'conflict') return result.commit;
      const files = result.conflicts.join(', ');
      throw new AttemptFailure({
        class: 'conflict',
        message: `its changes conflict with work that is on ${branch} already: ${files}`,
        resetAt: null,
      });
    }
  }

  async #release(project: Project, ledger: AttemptLedger, request: Request): Promise<void> {
    try {
      await this.#workspaces.release(project, ledger.attempt, request.branch);
    } catch (error) {
      // The work is collected; a worktree that could not be removed stays and is named.
      this.#parts.log.warn({ err: error, workspace: ledger.attempt.workspace }, 'a workspace was kept');
      this.#parts.store.commit((tx) =>
        tx.record(
          'notice',
          {
            level: 'warning',
            text: `the workspace ${ledger.attempt.workspace} was kept: ${error instanceof Error ? error.message : ''}`,
          },
          ledger.subject,
          'gantry',
        ),
      );
    }
  }

  /** What a request came to: the branch's content against its base, and each task's own words. */
  async result(project: Project, request: Request, tasks: readonly Task[]): Promise<RequestResult> {
    const commit = await this.#tip(project, request);
    const summary = tasks.map((t) => `${t.label} ${t.title}: ${t.result?.summary || t.cause || t.state}`).join('\n');
    const files: readonly FileChange[] =
      commit === null ? [] : await changedFiles(this.#git, project.path, request.baseCommit, commit);
    return {
      summary,
      branch: commit === null ? null : request.branch,
      commit,
      filesChanged: files.map(({ path, status, additions, deletions }) => ({ path, status, additions, deletions })),
    };
  }

  async diff(project: Project, request: Request, maxBytes: number): Promise<{ diff: string; isTruncated: boolean }> {
    // Once it is over, its commit is known: the branch may be gone, merged.
    const commit = request.result?.commit ?? (await this.#tip(project, request));
    if (commit === null) return { diff: '', isTruncated: false };
    const { text, isTruncated } = await diff(this.#git, project.path, request.baseCommit, commit, maxBytes);
    return { diff: text, isTruncated };
  }
}

/** Another task of the request may have been collected in between: then the step is done again. */
async function unlessOvertaken<T>(step: Promise<T>): Promise<T | 'overtaken'> {
  try {
    return await step;
  } catch (error) {
    const cause = error instanceof AppError && error.code === 'git_failed' ? error.details?.cause : null;
    if (cause === 'branch_moved' || cause === 'branch_exists') return 'overtaken';
    throw error;
  }
}
