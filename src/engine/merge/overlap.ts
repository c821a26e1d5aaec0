import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Attempt, isAttemptLive } from '../../contract/attempt.ts';
import type { AttemptId, TaskId } from '../../contract/ids.ts';
import type { Project } from '../../contract/project.ts';
import { changedFiles } from '../../git/changes.ts';
import type { Git } from '../../git/git.ts';
import { mergePreview } from '../../git/merge.ts';
import { commitTree } from '../../git/snapshot.ts';
import { treeOfFiles } from '../../git/tree.ts';
import { closeAlert, openAlert, openAlerts } from '../alerts.ts';
import { tellAgents } from '../messages/post.ts';
import type { Parts } from '../parts.ts';

/** So many other workspaces are looked at after a turn, the newest first: each costs some git commands. */
const MOST_OTHERS = 20;
const PREFIX = 'overlap:';

/** What a workspace holds now: `tree`, as a commit on its base, and what that changes. */
type Held = {
  readonly attempt: Attempt;
  readonly tree: string;
  readonly commit: string;
  readonly files: ReadonlySet<string>;
};

/**
 * Looks ahead after every turn: would the files of two workspaces that are worked in now conflict? Then both agents and the
 * dashboard are told, once, before it is real. Nothing is moved and no file is written; what it finds is advice.
 */
export class Overlaps {
  readonly #parts: Parts;
  readonly #git: Git;
  readonly #waiting = new Set<AttemptId>();
  /** Of live attempts, as they were last looked at: a workspace that is as it was needs no other commit. */
  readonly #known = new Map<AttemptId, Held>();
  #cursor = 0;
  #isWoken = false;
  #looking: Promise<void> | null = null;
  #isStopped = false;
  #forget = (): void => undefined;

  constructor(parts: Parts, git: Git) {
    this.#parts = parts;
    this.#git = git;
  }

  start(): void {
    const { store } = this.#parts;
    this.#cursor = store.journal.head();
    this.#forget = store.onWork(() => this.#wake());
    this.#wake();
  }

  async close(): Promise<void> {
    this.#isStopped = true;
    this.#forget();
    await this.#looking;
  }

  #wake(): void {
    this.#isWoken = true;
    if (this.#isStopped || this.#looking !== null) return;
    this.#looking = this.#look()
      .catch((error: unknown) => {
        // A commit that nothing refers to may have been tidied away.
        this.#known.clear();
        this.#parts.log.warn({ err: error }, 'the look-ahead for conflicts failed');
      })
      .finally(() => {
        this.#looking = null;
        if (this.#isWoken || this.#waiting.size > 0) this.#wake();
      });
  }

  async #look(): Promise<void> {
    // Many commits in one turn of the event loop are one look.
    await nextTurn();
    this.#isWoken = false;
    const { journal } = this.#parts.store;
    const { facts, next } = journal.since(this.#cursor, { kinds: ['turn.ended'] });
    this.#cursor = next;
    if (next < journal.head()) this.#isWoken = true;
    for (const { attemptId } of facts) if (attemptId !== null) this.#waiting.add(attemptId);
    this.#closeOld();
    this.#forgetOld();
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      if (!this.#isStopped) await this.#compare(id);
    }
  }

  /** An alert ends with the first of the two attempts. */
  #closeOld(): void {
    const { store } = this.#parts;
    const { read } = store;
    const isLive = (id: string | undefined): boolean => {
      const attemptId = read.tasks.get(id ?? '')?.attemptId ?? null;
      return attemptId !== null && isAttemptLive(read.attempts.need(attemptId).state);
    };
    const keys = Object.keys(openAlerts(read)).filter((key) => key.startsWith(PREFIX));
    const old = keys.filter((key) => !key.slice(PREFIX.length).split(':').every(isLive));
    if (old.length > 0) store.commit((tx) => old.forEach((key) => void closeAlert(tx, key, 'one of them is over', {})));
  }

  #forgetOld(): void {
    const { attempts } = this.#parts.store.read;
    for (const id of this.#known.keys()) {
      const attempt = attempts.get(id);
      if (!attempt || !isAttemptLive(attempt.state)) this.#known.delete(id);
    }
  }

  async #compare(id: AttemptId): Promise<void> {
    const { read } = this.#parts.store;
    const attempt = read.attempts.need(id);
    if (!isAttemptLive(attempt.state)) return;
    const project = read.projects.need(read.tasks.need(attempt.taskId).projectId);
    const others = this.#othersOf(attempt, project);
    if (others.length === 0) return;
    const own = await this.#held(project, attempt);
    for (const other of others) {
      const theirs = await this.#held(project, other);
      if (this.#isStopped) return;
      this.#tell(own.attempt, theirs.attempt, await this.#conflicts(project, own, theirs));
    }
  }

  #othersOf(attempt: Attempt, project: Project): Attempt[] {
    const { read } = this.#parts.store;
    return read.attempts
      .list({ state: ['working', 'verifying'], order: 'desc' })
      .filter((other) => other.taskId !== attempt.taskId && read.tasks.need(other.taskId).projectId === project.id)
      .slice(0, MOST_OTHERS);
  }

  async #held(project: Project, attempt: Attempt): Promise<Held> {
    const { id, workspace, baseCommit } = attempt;
    const tree = await treeOfFiles(this.#git, workspace);
    const known = this.#known.get(id);
    if (known?.tree === tree && known.attempt.baseCommit === baseCommit) return { ...known, attempt };
    const spec = { tree, parents: [baseCommit], message: 'A look ahead\n', author: { name: 'Gantry' } };
    const commit = await commitTree(this.#git, workspace, spec);
    const changed = await changedFiles(this.#git, project.path, baseCommit, commit);
    const held = { attempt, tree, commit, files: new Set(changed.map(({ path }) => path)) };
    this.#known.set(id, held);
    return held;
  }

  async #conflicts(project: Project, own: Held, theirs: Held): Promise<readonly string[]> {
    if (![...own.files].some((file) => theirs.files.has(file))) return [];
    const preview = await mergePreview(this.#git, project.path, own.commit, theirs.commit);
    return preview.kind === 'conflict' ? preview.conflicts : [];
  }

  #tell(one: Attempt, other: Attempt, files: readonly string[]): void {
    const { store } = this.#parts;
    const key = keyOf(one.taskId, other.taskId);
    const isOpen = openAlerts(store.read)[key] !== undefined;
    if (isOpen === files.length > 0) return;
    const { requestId, taskId } = one;
    store.commit((tx) => {
      if (files.length === 0) return closeAlert(tx, key, 'they do not conflict any more', { requestId, taskId });
      const names = files.join(', ');
      openAlert(tx, key, `${one.agent} and ${other.agent} change the same lines of ${names}`, { requestId, taskId });
      for (const [agent, mate] of [
        [one.agent, other.agent],
        [other.agent, one.agent],
      ] as const) {
        const text = `Your changes to ${names} conflict with what ${mate} is doing now. Agree on it by a message, or keep to your own lines.`;
        tellAgents(this.#parts, tx, [agent], 'Your work overlaps with that of another agent', text);
      }
    });
  }
}

const keyOf = (one: TaskId, other: TaskId): string => PREFIX + [one, other].sort().join(':');
