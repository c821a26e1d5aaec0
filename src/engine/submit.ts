import { newId } from '../base/ids.ts';
import type { ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import type { Request } from '../contract/request.ts';
import { NO_USAGE } from '../contract/usage.ts';
import type { Git } from '../git/git.ts';
import { inspect } from '../git/inspect.ts';
import { requireModel } from './model-filter.ts';
import type { Parts } from './parts.ts';
import type { Probes } from './probes.ts';
import { checkClean, resolveProject } from './projects.ts';
import { placementOf } from './roles.ts';

/** Checks everything that can be checked before work begins. The answer is not written down yet. */
export async function prepareRequest(
  parts: Parts,
  git: Git,
  probes: Probes,
  input: ParsedInputOf<'requests.submit'>,
  caller: Caller,
): Promise<Request> {
  const project = await resolveProject(parts, git, input.project, caller);
  const state = await inspect(git, project.path);
  checkClean(project, state, input.isDirtyAllowed);
  parts.checkSettings?.(project.path);
  const settings = parts.settingsFor(project.path);
  const { options } = input;
  const role = options.role ?? settings.defaultRole;
  const { backend, model } = placementOf(settings, role, options);
  requireModel(model, settings);
  await probes.needUsable(backend);
  const now = parts.clock.now();
  return requestRow({
    id: newId('req', now),
    projectId: project.id,
    text: input.text,
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
      merge: options.merge ?? null,
    },
    baseCommit: state.headCommit,
    createdBy: caller.actor,
    now,
  });
}

export async function submitRequest(...args: Parameters<typeof prepareRequest>): Promise<Request> {
  const [parts, , , , caller] = args;
  const row = await prepareRequest(...args);
  return parts.store.commit((tx) => tx.requests.insert(row, { actor: caller.actor, cause: 'submitted' }));
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
