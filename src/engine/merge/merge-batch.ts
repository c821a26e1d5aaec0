import { AppError } from '../../contract/errors.ts';
import type { GateResult, Merge } from '../../contract/merge.ts';
import type { Git } from '../../git/git.ts';
import { mergePreview } from '../../git/merge.ts';
import { commitTree, treeOf } from '../../git/snapshot.ts';
import { firstRed } from './merge-order.ts';

/** One with its commit on the target, if the target moves so far. */
export type Stacked = { readonly merge: Merge; readonly commit: string };
export type Conflict = {
  readonly merge: Merge;
  readonly files: readonly string[];
  /** The content that it was tried on, and its tree with conflict markers. */
  readonly onto: string;
  readonly tree: string;
};

export type Stack = {
  readonly stacked: readonly Stacked[];
  /** The target holds their content already. */
  readonly present: readonly Merge[];
  readonly conflicts: readonly Conflict[];
};

/** Lays the merges on the target, one on the other, without a checkout; one that conflicts is left out. */
export async function stackUp(
  git: Git,
  repo: string,
  input: {
    readonly base: string;
    readonly merges: readonly Merge[];
    readonly strategy: 'merge' | 'squash';
    readonly messageOf: (merge: Merge) => string;
  },
): Promise<Stack> {
  const stacked: Stacked[] = [];
  const present: Merge[] = [];
  const conflicts: Conflict[] = [];
  let tip = input.base;
  for (const merge of input.merges) {
    const preview = await mergePreview(git, repo, tip, merge.head);
    if (preview.kind === 'conflict') {
      conflicts.push({ merge, files: preview.conflicts, onto: tip, tree: preview.tree });
      continue;
    }
    if (preview.tree === (await treeOf(git, repo, tip))) {
      present.push(merge);
      continue;
    }
    const parents = input.strategy === 'squash' ? [tip] : [tip, merge.head];
    const author = { name: merge.authors[0] ?? 'Gantry' };
    const spec = { tree: preview.tree, parents, message: input.messageOf(merge), author };
    tip = await commitTree(git, repo, spec);
    stacked.push({ merge, commit: tip });
  }
  return { stacked, present, conflicts };
}

/** The first failing gate on a commit, or null. */
export type RunGates = (commit: string) => Promise<GateResult | null>;

export type Tried = {
  /** So many from the bottom may go to the target. */
  readonly green: number;
  /** The one that breaks a gate, right above the green ones; null if all are green. */
  readonly culprit: { readonly merge: Merge; readonly gate: GateResult; readonly isTargetRed: boolean } | null;
};

/**
 * Runs the gates on the top of the stack. If they fail they are run once more, for a gate that fails now and then; then the
 * culprit is searched by halves. If nothing is below it, the target itself is tried too: what fails there already is not
 * its doing.
 */
export async function tryStack(stacked: readonly Stacked[], base: string, gates: RunGates): Promise<Tried> {
  const top = stacked.at(-1);
  if (!top) return { green: 0, culprit: null };
  const failed = (await gates(top.commit)) && (await gates(top.commit));
  if (!failed) return { green: stacked.length, culprit: null };
  const results = new Map([[stacked.length - 1, failed]]);
  const index = await firstRed(stacked.length, async (at) => {
    const gate = await gates(stacked[at]?.commit ?? base);
    if (gate) results.set(at, gate);
    return gate === null;
  });
  const merge = stacked[index]?.merge;
  const gate = results.get(index);
  if (!merge || !gate) throw new AppError('internal', 'the search for a culprit ended outside of the batch');
  const isTargetRed = index === 0 && (await gates(base)) !== null;
  return { green: index, culprit: { merge, gate, isTargetRed } };
}
