import { GANTRY } from '../../contract/caller.ts';
import { type AppError, toAppError } from '../../contract/errors.ts';
import type { RequestId } from '../../contract/ids.ts';
import type { Merge } from '../../contract/merge.ts';
import type { Project } from '../../contract/project.ts';
import { discardCheckout } from '../../git/checkout.ts';
import type { Git } from '../../git/git.ts';
import { deleteBranchIfMerged, isAncestor } from '../../git/refs.ts';
import { keepCommit, snapshotRef } from '../../git/snapshot.ts';
import { advanceTarget, type Target, targetRef, targetTip } from '../../git/target.ts';
import type { Transaction } from '../../store/store.ts';
import { openAlert } from '../alerts.ts';
import { tellAgents } from '../messages/post.ts';
import type { Parts } from '../parts.ts';
import type { Settings } from '../settings.ts';
import { type Stacked, stackUp, type Tried, tryStack } from './merge-batch.ts';
import { failingGate, gateDirectory } from './merge-gates.ts';
import { mergeAlert } from './merge-intake.ts';
import { firstLine, openRepair } from './merge-repair.ts';

type Tools = {
  readonly parts: Parts;
  readonly git: Git;
  /** A request was made that is to be planned. */
  readonly onRepair: (id: RequestId) => void;
  readonly signal: AbortSignal;
};

/** One target of one project: its merges go there one batch after the other. */
export class MergeLane {
  readonly #tools: Tools;
  readonly #project: Project;
  readonly #settings: Settings;
  readonly #target: Target;

  constructor(tools: Tools, project: Project, branch: string) {
    this.#tools = tools;
    this.#project = project;
    this.#settings = tools.parts.settingsFor(project.path);
    this.#target = { branch, remote: this.#settings.merge.remote };
  }

  /**
   * Stacks a batch, runs the gates and moves the target as far as they pass. What is left is still in line.
   * @throws AppError `cancelled`, `git_failed`; then nothing of what is left was merged
   */
  async carryOut(batch: readonly Merge[]): Promise<void> {
    const { parts, git, onRepair } = this.#tools;
    const { path } = this.#project;
    const base = await targetTip(git, path, this.#target);
    const { strategy } = this.#settings.merge;
    const messageOf = (merge: Merge) => messageFor(parts, merge);
    const { stacked, present, conflicts } = await stackUp(git, path, { base, merges: batch, strategy, messageOf });
    for (const merge of present) await this.#merged([{ merge, commit: base }]);
    for (const conflict of conflicts) {
      // One against others of the batch only is tried again when it is known which of them are on the target.
      if (conflict.onto === base) onRepair(await openRepair(parts, git, this.#project, conflict));
    }
    if (stacked.length === 0) return;
    this.#begin(stacked);
    const tried = await tryStack(stacked, base, (commit) => this.#gates(stacked, commit));
    await this.#take(stacked, base, tried);
  }

  #begin(stacked: readonly Stacked[]): void {
    this.#tools.parts.store.commit((tx) => {
      const meta = { actor: GANTRY.actor, cause: 'its turn has come' };
      for (const { merge, commit } of stacked)
        tx.merges.move(merge.id, 'queued', 'merging', { commit, cause: null }, meta);
    });
  }

  #gates(stacked: readonly Stacked[], commit: string) {
    const { parts, git, signal } = this.#tools;
    const mergeId = stacked[0]?.merge.id;
    if (mergeId === undefined) return Promise.resolve(null);
    return failingGate(parts, git, this.#settings, { project: this.#project, commit, mergeId, signal });
  }

  async #take(stacked: readonly Stacked[], base: string, { green, culprit }: Tried): Promise<void> {
    const { parts, git } = this.#tools;
    const passed = stacked.slice(0, green);
    const top = passed.at(-1);
    if (top) {
      await advanceTarget(git, this.#project.path, this.#target, { commit: top.commit, expected: base });
      await this.#merged(passed);
    }
    if (!culprit) return;
    const { merge, gate, isTargetRed } = culprit;
    const end = gate.exitCode === null ? 'was stopped' : `ended with ${gate.exitCode}`;
    const where = isTargetRed ? `, as it does on ${merge.target} without this work` : '';
    rejectMerge(parts, merge, `the gate ${gate.name} (${gate.command}) ${end}${where}`, { gate });
    parts.store.commit((tx) => {
      for (const rest of stacked.slice(green + 1)) backIntoLine(tx, rest.merge, 'another of its batch was rejected');
    });
  }

  /** It is on the target: its branch goes first, so that a kill in between leaves none behind. */
  async #merged(merged: readonly Stacked[]): Promise<void> {
    const { store, clock } = this.#tools.parts;
    for (const { merge } of merged) await this.#tidy(merge);
    store.commit((tx) => {
      for (const { merge, commit } of merged) {
        const cause = `on ${merge.target} as ${commit.slice(0, 12)}`;
        const patch = { commit, cause, endedAt: clock.now() };
        tx.merges.move(merge.id, ['queued', 'merging'], 'merged', patch, { actor: GANTRY.actor, cause });
      }
    });
  }

  /** Removes the branch if all of it is provably kept elsewhere. */
  async #tidy(merge: Merge): Promise<void> {
    const { parts, git } = this.#tools;
    const { path } = this.#project;
    try {
      let kept = targetRef(this.#target);
      if (this.#settings.merge.strategy === 'squash') {
        // The target has the content; the commits themselves stay at a hidden ref.
        const name = `merged/${merge.id}`;
        await keepCommit(git, { path, name, message: `Commits of ${merge.branch}\n` }, merge.head);
        kept = snapshotRef(name);
      }
      await deleteBranchIfMerged(git, path, merge.branch, kept);
    } catch (error) {
      parts.log.warn({ err: error, branch: merge.branch }, 'a merged branch was kept');
    }
  }

  /** The target may have been moved just before a daemon was killed: what is there decides. */
  async settle(merge: Merge): Promise<void> {
    const { parts, git } = this.#tools;
    const { path } = this.#project;
    try {
      await discardCheckout(git, path, gateDirectory(parts, this.#project, merge.id));
      const tip = await targetTip(git, path, this.#target);
      if (merge.commit !== null && (await isAncestor(git, path, merge.commit, tip))) {
        return await this.#merged([{ merge, commit: merge.commit }]);
      }
    } catch (error) {
      // Back into line: there it is looked at again, and found if it is on the target already.
      parts.log.warn({ err: error, merge: merge.id }, 'a merge could not be settled');
    }
    parts.store.commit((tx) => backIntoLine(tx, merge, 'the daemon ended in the middle of it'));
  }

  /**
   * Git or the remote failed, or somebody else moved the target: again later, not for ever.
   * @returns how often the batch was tried, and whether it was only overtaken
   */
  putBack(batch: readonly Merge[], error: AppError): { readonly tries: number; readonly isOvertaken: boolean } {
    const { store, log } = this.#tools.parts;
    const isOvertaken = error.code === 'git_failed' && error.details?.cause === 'branch_moved';
    log.warn({ err: error, target: this.#target }, 'a batch of the merge queue did not go through');
    const cause = isOvertaken ? `${this.#target.branch} moved meanwhile` : toAppError(error).message;
    // A checkout that is in the way is a person's: it does not go away by waiting.
    const isInTheWay = !isOvertaken && this.#target.remote === null && error.details?.cause === 'refused';
    const left = batch
      .map(({ id }) => store.read.merges.need(id))
      .filter(({ state }) => state === 'merging' || state === 'queued');
    for (const merge of left) {
      if (isInTheWay || merge.retries >= this.#settings.merge.maxRetries)
        rejectMerge(this.#tools.parts, merge, cause, {});
      else store.commit((tx) => backIntoLine(tx, merge, cause, merge.retries + 1));
    }
    return { tries: Math.max(0, ...left.map(({ retries }) => retries)), isOvertaken };
  }
}

/** A person must look at it: it says why, and what can be done. Its authors are told too. */
export function rejectMerge(parts: Parts, merge: Merge, cause: string, patch: Partial<Merge>): void {
  const { store, clock } = parts;
  store.commit((tx) => {
    const from = tx.merges.need(merge.id).state;
    const end = { ...patch, cause, commit: null, endedAt: clock.now() };
    tx.merges.move(merge.id, from, 'rejected', end, { actor: GANTRY.actor, cause });
    tellAgents(parts, tx, merge.authors, 'Your work was not merged', `${merge.branch}: ${cause}`);
    const remedy = `gantry merge retry ${merge.id}, or gantry merge withdraw ${merge.id}`;
    const subject = { requestId: merge.requestId, projectId: merge.projectId };
    openAlert(tx, mergeAlert(merge.id), `${merge.branch} was not merged: ${cause}. Then: ${remedy}`, subject);
  });
}

function backIntoLine(tx: Transaction, merge: Merge, cause: string, retries = merge.retries): void {
  const meta = { actor: GANTRY.actor, cause };
  if (tx.merges.need(merge.id).state === 'queued') tx.merges.update(merge.id, { cause, retries }, meta);
  else tx.merges.move(merge.id, 'merging', 'queued', { commit: null, cause, retries }, meta);
}

function messageFor({ store }: Parts, { requestId, branch }: Merge): string {
  const { text } = store.read.requests.need(requestId);
  return `${firstLine(text)}\n\nMerged from ${branch}.\n\nGantry-Request: ${requestId}\n`;
}
