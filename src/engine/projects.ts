import { realpathSync, statSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';
import { newId } from '../base/ids.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';
import type { Project } from '../contract/project.ts';
import type { Git } from '../git/git.ts';
import { inspect, type RepositoryState } from '../git/inspect.ts';
import type { Parts } from './parts.ts';

/**
 * Registers the repository that holds `path`; a known one gets the new name or trust.
 * @throws AppError `project_not_directory`, `project_not_git`, `project_no_commit`, `git_missing`, `conflict` for a taken name,
 * `bad_config`
 */
export async function addProject(
  parts: Parts,
  git: Git,
  input: { readonly path: string; readonly name?: string | undefined; readonly isTrusted?: boolean | undefined },
  caller: Caller,
): Promise<Project> {
  const { root, known, name: usual } = await repositoryAt(parts, git, input.path);
  const { store, clock } = parts;
  const active = store.read.projects.list({ state: 'active' });
  const name = input.name ?? usual;
  const holder = active.find((p) => p.name === name && p.path !== root);
  if (holder) throw new AppError('conflict', `the name ${name} belongs to ${holder.path}; choose another with --name`);
  const now = clock.now();
  const meta = { actor: caller.actor };
  if (known) {
    const patch = { name, isTrusted: input.isTrusted ?? known.isTrusted };
    if (patch.name === known.name && patch.isTrusted === known.isTrusted) return known;
    return store.commit((tx) => tx.projects.update(known.id, patch, meta));
  }
  parts.checkSettings?.(root);
  const row: Project = {
    id: newId('prj', now),
    name,
    path: root,
    isTrusted: input.isTrusted ?? false,
    state: 'active',
    createdAt: now,
    updatedAt: now,
  };
  return store.commit((tx) => tx.projects.insert(row, meta));
}

/**
 * The repository that holds a path, registered or not, and the name that it has or would get.
 * @throws AppError as `addProject`
 */
export async function repositoryAt(
  parts: Parts,
  git: Git,
  given: string,
): Promise<{ readonly root: string; readonly known: Project | undefined; readonly name: string }> {
  const { root, isBare } = await inspect(git, checkedDirectory(given));
  if (isBare) throw new AppError('project_not_git', `${root} is a bare repository: Gantry needs one with a checkout`);
  const active = parts.store.read.projects.list({ state: 'active' });
  const known = active.find((p) => p.path === root);
  return { root, known, name: known?.name ?? freeName(basename(root), active) };
}

/** By id, name or path. @throws AppError `not_found`, naming the known ones */
export function needProject(parts: Pick<Parts, 'store'>, wanted: string): Project {
  const active = parts.store.read.projects.list({ state: 'active' });
  const found = active.find((p) => p.id === wanted || p.name === wanted || p.path === wanted);
  if (found) return found;
  const known = active.map((p) => p.name).join(', ') || 'none';
  throw new AppError('not_found', `no project ${wanted}; known: ${known}. A new one: gantry project add <directory>`);
}

export function removeProject(parts: Parts, wanted: string, caller: Caller): Project {
  const project = needProject(parts, wanted);
  const open = parts.store.read.requests.list({
    projectId: project.id,
    state: ['planning', 'planned', 'running', 'paused'],
  });
  if (open.length > 0)
    throw new AppError(
      'conflict',
      `${project.name} has requests that are not over: ${open.map((r) => r.id).join(', ')}; cancel them first`,
    );
  return parts.store.commit((tx) => tx.projects.move(project.id, 'active', 'removed', {}, { actor: caller.actor }));
}

/** A registered project, or the repository at an absolute path, registered now. */
export async function resolveProject(parts: Parts, git: Git, wanted: string, caller: Caller): Promise<Project> {
  return isAbsolute(wanted) ? addProject(parts, git, { path: wanted }, caller) : needProject(parts, wanted);
}

/** Agents start from HEAD: changes that are not in it would be missed without a word. @throws AppError `project_dirty` */
export function checkClean(project: Pick<Project, 'path'>, state: RepositoryState, isDirtyAllowed: boolean): void {
  if (isDirtyAllowed || state.dirtyCount === 0) return;
  const shown = state.dirtyFiles.slice(0, 5).join(', ');
  const more = state.dirtyCount > 5 ? ` and ${state.dirtyCount - 5} more` : '';
  throw new AppError(
    'project_dirty',
    `${project.path} has uncommitted changes (${shown}${more}). Agents start from the last commit and would not see them: commit or stash them, or go on with --allow-dirty`,
  );
}

/** @throws AppError `bad_request`, `project_not_directory` */
export function checkedDirectory(path: string): string {
  if (!isAbsolute(path))
    throw new AppError('bad_request', `a directory must be given by its absolute path; got ${path}`);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new AppError('project_not_directory', `${path} is not a directory`);
  return realpathSync(path);
}

function freeName(wanted: string, active: readonly Project[]): string {
  const base = wanted.replace(/[^\w.-]/g, '-').slice(0, 60) || 'project';
  const isTaken = (name: string): boolean => active.some((p) => p.name === name);
  let name = base;
  for (let n = 2; isTaken(name); n += 1) name = `${base}-${n}`;
  return name;
}
