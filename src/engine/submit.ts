import { newId } from '../base/ids.ts';
import type { ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import type { Project } from '../contract/project.ts';
import type { Request } from '../contract/request.ts';
import { NO_USAGE } from '../contract/usage.ts';
import type { Git } from '../git/git.ts';
import { inspect, type RepositoryState } from '../git/inspect.ts';
import type { Parts } from './parts.ts';
import { requireModel } from './planning/model-filter.ts';
import { checkClean, resolveProject } from './projects.ts';
import { isolationOf } from './scheduling/isolation.ts';
import type { Probes } from './scheduling/probes.ts';
import { needRole, placementOf } from './scheduling/roles.ts';
import type { Settings } from './settings.ts';
import { refuseStopped } from './stops.ts';

/** Checks everything that can be checked before work begins. The answer is not written down yet. */
export async function prepareRequest(
  parts: Parts,
  git: Git,
  probes: Probes,
  input: ParsedInputOf<'requests.submit'>,
  caller: Caller,
): Promise<Request> {
  const project = await resolveProject(parts, git, input.project, caller);
  refuseStopped(parts.store.read, project.id);
  const state = await inspect(git, project.path);
  checkClean(project, state, input.isDirtyAllowed);
  parts.checkSettings?.(project.path);
  const settings = parts.settingsFor(project.path);
  const { options } = input;
  const role = options.role ?? settings.defaultRole;
  const { backend, model } = placementOf(settings, role, options);
  requireModel(model, settings);
  await parts.hostFor(isolationOf(settings, role, options.isolation));
  // With others in line the role's fallback decides what follows.
  if (!needRole(settings, role).fallback) await probes.needUsable(backend);
  return newRequest(parts, { text: input.text, project, options, settings, state }, caller);
}

/** Checks a request and writes it down. */
export async function submitRequest(...args: Parameters<typeof prepareRequest>): Promise<Request> {
  const [parts, , , , caller] = args;
  const row = await prepareRequest(...args);
  return parts.store.commit((tx) => tx.requests.insert(row, { actor: caller.actor, cause: 'submitted' }));
}

/** A request with what its options leave open filled in by the settings; not written down yet. */
export function newRequest(
  parts: Parts,
  given: {
    readonly text: string;
    readonly project: Project;
    readonly options: ParsedInputOf<'requests.submit'>['options'];
    readonly settings: Settings;
    readonly state: RepositoryState;
  },
  caller: Caller,
): Request {
  const { text, project, options, settings, state } = given;
  const now = parts.clock.now();
  return requestRow({
    id: newId('req', now),
    projectId: project.id,
    text,
    options: {
      backend: options.backend ?? null,
      model: options.model ?? null,
      role: options.role ?? null,
      maxParallel: options.maxParallel ?? settings.limits.maxParallel,
      timeoutMs: options.timeoutMs ?? settings.limits.taskTimeout,
      budgetUsd: options.budgetUsd ?? null,
      maxTasks: options.maxTasks ?? settings.planner.maxTasks,
      isPlanOnly: options.isPlanOnly ?? false,
      isSingleTask: options.isSingleTask ?? false,
      isConversation: options.isConversation ?? false,
      merge: options.merge ?? null,
      isolation: options.isolation ?? null,
    },
    baseCommit: state.headCommit,
    createdBy: caller.actor,
    now,
  });
}

/** A request that is to be planned, with the branch that its work will be collected on. */
export function requestRow({
  now,
  ...row
}: Pick<Request, 'id' | 'projectId' | 'text' | 'options' | 'baseCommit' | 'createdBy'> & {
  readonly now: number;
}): Request {
  return {
    ...row,
    state: 'planning',
    cause: null,
    plan: null,
    branch: `gantry/${row.id.slice('req_'.length)}`,
    failure: null,
    result: null,
    usage: NO_USAGE,
    delegation: null,
    createdAt: now,
    updatedAt: now,
    endedAt: null,
  };
}
