import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Agent, Standing } from '../../contract/agent.ts';
import { type Attempt, LIVE_ATTEMPT_STATES } from '../../contract/attempt.ts';
import { AppError } from '../../contract/errors.ts';
import type { SessionId } from '../../contract/ids.ts';
import type { Project } from '../../contract/project.ts';
import type { FileChange } from '../../contract/request.ts';
import type { Task } from '../../contract/task.ts';
import { changedFiles, changedPaths } from '../../git/changes.ts';
import type { Git } from '../../git/git.ts';
import { copyIncluded } from '../../git/included.ts';
import { status } from '../../git/inspect.ts';
import {
  branchExists,
  branchesBelow,
  branchOf,
  commitOf,
  deleteBranchIfMerged,
  isAncestor,
  worktrees,
} from '../../git/refs.ts';
import { commitAll } from '../../git/snapshot.ts';
import { addWorktree, moveWorktree, removeWorktree, restoreWorktree } from '../../git/worktree.ts';
import type { Parts } from '../parts.ts';
import { removeIsolatedHome } from '../scheduling/isolation.ts';
import type { Settings } from '../settings.ts';

/** What an attempt made: its commit, and how that differs from where it started. */
export type Saved = { readonly commit: string; readonly changes: FileChange[] };

/** A worktree as it is prepared, and whose it is: an attempt's id or a session's. */
type Place = Pick<Attempt, 'workspace' | 'branch' | 'baseCommit' | 'isolation'> & {
  readonly id: Attempt['id'] | SessionId;
};

/** What is left of a worktree that nobody works in any more: `unsaved` names what only it holds. */
export type Left = { readonly isKept: boolean; readonly unsaved: readonly string[] };

/** What the branches begin with that nobody works on yet. */
const WARM = 'gantry/warm/';
/** What agent programs read of a repository when a session opens, and not again. */
const READ_AT_START =
  /(^|\/)(AGENTS|CLAUDE|GEMINI)(\.local)?\.md$|^\.(claude|opencode|gemini)\/|^(opencode\.jsonc?|\.mcp\.json)$/;

/** The worktrees that agents work in, below `$GANTRY_HOME/workspaces/<project>/`. */
export class Workspaces {
  readonly #parts: Parts;
  readonly #git: Git;

  constructor(parts: Parts, git: Git) {
    this.#parts = parts;
    this.#git = git;
  }

  /** Where an agent works without a task; that of the whole plane has a directory that is no repository. */
  standingPath(project: Project | null, { role, name }: Pick<Agent, 'role' | 'name'>): string {
    return join(this.#parts.workspaces, project?.name ?? '-', 'agents', role, name);
  }

  /** Where an agent is kept ready: its own, as the work that it gets stays there. */
  warmPlace(project: Project, session: SessionId): Pick<Standing, 'workspace' | 'branch'> {
    return { workspace: join(this.#parts.workspaces, project.name, session), branch: WARM + session };
  }

  pathFor(project: Project, task: Task, attempt: number): string {
    return join(this.#parts.workspaces, project.name, `${task.id}-${attempt}`);
  }

  /**
   * The worktree, made and, with `setup`, set up if it is not there. Safe to repeat after a kill at any moment.
   * @throws AppError `git_failed` with the cause by name; `backend_failed` if the setup command failed
   */
  async prepare(project: Project, place: Place, setup: Settings['setup'], signal: AbortSignal): Promise<void> {
    const { workspace, branch, baseCommit } = place;
    const marker = `workspace:${place.id}`;
    if (this.#parts.store.read.meta.get(marker) === 'ready' && existsSync(workspace)) return;
    const isHalfMade = await branchExists(this.#git, project.path, branch);
    if (isHalfMade) {
      await restoreWorktree(this.#git, { repoRoot: project.path, path: workspace, branch });
    } else {
      await this.#checkRoom(project);
      await mkdir(join(this.#parts.workspaces, project.name), { recursive: true, mode: 0o700 });
      await addWorktree(this.#git, { repoRoot: project.path, path: workspace, branch, base: baseCommit });
    }
    await copyIncluded(this.#git, project.path, workspace);
    if (setup) await this.#setUp(place, setup, signal);
    this.#parts.store.commit((tx) => tx.meta.set(marker, 'ready'));
  }

  /**
   * A worktree that was kept ready becomes an attempt's: on its branch, at its base. Safe to repeat after a kill.
   * @throws AppError `git_failed`, `conflict` with what it cannot be taken for, `backend_failed` if the setup failed
   */
  async takeOver(
    project: Project,
    attempt: Attempt,
    from: Standing,
    settings: Settings,
    signal: AbortSignal,
  ): Promise<void> {
    const { id, workspace, branch, baseCommit } = attempt;
    const old = from.baseCommit ?? baseCommit;
    const isMoved = old !== baseCommit;
    const changes = isMoved ? await changedPaths(this.#git, project.path, old, baseCommit) : [];
    const read = changes.find((path) => READ_AT_START.test(path));
    if (read !== undefined) throw new AppError('conflict', `${read} has changed since its program read it`);
    await moveWorktree(this.#git, { repoRoot: project.path, path: workspace, branch, base: baseCommit });
    if (isMoved && settings.setup) await this.#setUp(attempt, settings.setup, signal);
    this.#parts.store.commit((tx) => tx.meta.set(`workspace:${id}`, 'ready'));
  }

  /** Those that were kept ready, and that a kill has left to nobody. */
  async dropStray(project: Project): Promise<void> {
    const { attempts, agents } = this.#parts.store.read;
    const live = attempts.list({ state: LIVE_ATTEMPT_STATES });
    const held = [...live, ...agents.list({}).flatMap(({ standing }) => standing ?? [])];
    const names = new Set(held.map(({ workspace }) => basename(workspace)));
    for (const { path, branch } of await worktrees(this.#git, project.path))
      if (branch?.startsWith(WARM) && !names.has(basename(path))) await this.drop(project, { workspace: path, branch });
    const kept = await branchOf(this.#git, project.path);
    for (const branch of kept === null ? [] : await branchesBelow(this.#git, project.path, WARM))
      await this.#deleteWarm(project, branch.slice(WARM.length), kept ?? '');
  }

  /** A worktree that was kept ready, and that nobody worked in, goes; what lies in it all the same is snapshotted. */
  async drop(project: Project, { workspace: path, branch }: Pick<Standing, 'workspace' | 'branch'>): Promise<void> {
    if (existsSync(path) && branch !== null)
      await removeWorktree(this.#git, { repoRoot: project.path, path, snapshotName: branch.replaceAll('/', '-') });
    await removeIsolatedHome(this.#parts, { workspace: path });
    const kept = await branchOf(this.#git, project.path);
    if (kept !== null && branch !== null)
      await deleteBranchIfMerged(this.#git, project.path, branch, `refs/heads/${kept}`);
  }

  async #setUp(
    { workspace, id, isolation }: Place,
    setup: NonNullable<Settings['setup']>,
    signal: AbortSignal,
  ): Promise<void> {
    const host = await this.#parts.hostFor(isolation);
    const result = await host.run({
      command: ['/bin/sh', '-c', setup.command],
      cwd: workspace,
      env: this.#parts.environment,
      marker: `${id}.setup`,
      limitMs: setup.timeout,
      signal,
    });
    if (result.code === 0) return;
    const end = result.isTimedOut
      ? `was stopped after ${setup.timeout / 1000} s`
      : `ended with ${result.code ?? result.signal}`;
    throw new AppError(
      'backend_failed',
      `the setup command (${setup.command}) ${end}: ${`${result.stdout}${result.stderr}`.trim().slice(-1_000)}`,
    );
  }

  async #checkRoom(project: Project): Promise<void> {
    const limit = this.#parts.settingsFor(project.path).limits.maxWorkspacesPerProject;
    const { attempts, agents } = this.#parts.store.read;
    // Those that are kept ready are given up before a task has to wait.
    const known = [
      ...attempts.list({}),
      ...agents
        .list({ projectId: project.id })
        .flatMap(({ standing }) => (standing && standing.warm === null ? standing : [])),
    ];
    const below = join(this.#parts.workspaces, project.name, '/');
    const kept = known.filter(({ workspace }) => workspace.startsWith(below) && existsSync(workspace));
    const count = new Set(kept.map(({ workspace }) => workspace)).size;
    if (count < limit) return;
    throw new AppError(
      'overloaded',
      `${project.name} has ${count} workspaces, its limit is ${limit}: retry or cancel what failed, or raise limits.maxWorkspacesPerProject`,
    );
  }

  /** Commits what the agent did, in the agent's name; says what differs from the base. */
  async save(project: Project, task: Task, attempt: Attempt): Promise<Saved> {
    const { workspace: path, branch, agent } = attempt;
    const message = `${task.title}\n\nGantry-Task: ${task.id}\nGantry-Attempt: ${attempt.number}\n`;
    const isSaved = attempt.state === 'verifying' && attempt.commit !== null;
    const made = isSaved
      ? attempt.commit
      : await commitAll(this.#git, { path, branch, message, author: { name: agent } });
    const commit = made ?? (await commitOf(this.#git, path, 'HEAD')) ?? attempt.baseCommit;
    const files = await changedFiles(this.#git, project.path, attempt.baseCommit, commit);
    const changes = files.map(({ path: file, status, additions, deletions }) => ({
      path: file,
      status,
      additions,
      deletions,
    }));
    return { commit, changes };
  }

  /** The work is on the request's branch: its worktree goes, and its branch if all of it is there. What was not committed is snapshotted first. */
  async release(project: Project, attempt: Attempt, keptBranch: string): Promise<void> {
    await removeWorktree(this.#git, { repoRoot: project.path, path: attempt.workspace, snapshotName: attempt.id });
    await deleteBranchIfMerged(this.#git, project.path, attempt.branch, `refs/heads/${keptBranch}`);
    await this.#deleteWarm(project, basename(attempt.workspace), keptBranch);
  }

  /** The branch of a worktree that was kept ready, once it has another. */
  async #deleteWarm(project: Project, name: string, keptBranch: string): Promise<void> {
    if (name.startsWith('sess_'))
      await deleteBranchIfMerged(this.#git, project.path, WARM + name, `refs/heads/${keptBranch}`);
  }

  /** Files of a worktree that are in no commit. */
  async unsaved(path: string): Promise<string[]> {
    return existsSync(path) ? (await status(this.#git, path)).map((entry) => entry.path) : [];
  }

  /** A worktree without work of its own goes, with its branch; one that has some is kept, and named. */
  async leave(project: Project, { workspace: path, branch }: Omit<Place, 'id' | 'isolation'>): Promise<Left> {
    if (!existsSync(path)) return { isKept: false, unsaved: [] };
    const head = await commitOf(this.#git, project.path, 'HEAD');
    const tip = await commitOf(this.#git, path, 'HEAD');
    const files = await this.unsaved(path);
    const isMerged = head !== null && tip !== null && (await isAncestor(this.#git, project.path, tip, head));
    if (files.length > 0 || !isMerged)
      return { isKept: true, unsaved: isMerged ? files : [...files, `commits of ${branch}`] };
    await removeWorktree(this.#git, { repoRoot: project.path, path, snapshotName: branch.replaceAll('/', '-') });
    await removeIsolatedHome(this.#parts, { workspace: path });
    const kept = await branchOf(this.#git, project.path);
    if (kept !== null) await deleteBranchIfMerged(this.#git, project.path, branch, `refs/heads/${kept}`);
    return { isKept: false, unsaved: [] };
  }
}
