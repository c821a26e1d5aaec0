import type { AgentAddress, BackendId, ProjectId } from '../../contract/ids.ts';
import type { Request } from '../../contract/request.ts';
import type { Task } from '../../contract/task.ts';
import { lentText } from '../agents/lent.ts';
import { isWarm, warmAgents } from '../agents/warm-fit.ts';
import { overBudgetNow } from '../budget/budget.ts';
import type { Parts } from '../parts.ts';
import { settingsOrCause, settingsProblem } from '../settings.ts';
import { stopFor, stopText } from '../stops.ts';
import { blockedNow, blockText } from './breaker.ts';
import type { MemoryUse } from './memory-use.ts';
import { type Candidate, type Capacity, roleKey } from './scheduler.ts';

/** What the scheduler needs to know of a task; none if its request does not go on. */
export function candidate(task: Task, request: Request | undefined): Candidate[] {
  if (!request) return [];
  const { id, requestId, projectId, backend, role, target, priority, position, createdAt, files } = task;
  const place = { id, requestId, projectId, backend, role, target, priority, position, createdAt, files };
  return [{ ...place, requestCreatedAt: request.createdAt, kind: kindOf(task) }];
}

/** What decides, nearly, whether a session that stands ready serves a task: the claim looks closely. */
const kindOf = ({ projectId, role, backend, model }: Pick<Task, 'projectId' | 'role' | 'backend' | 'model'>): string =>
  `${projectId} ${role} ${backend} ${model ?? ''}`;

/** Those of them that are open now. */
function warmNow(parts: Parts, isReady: (id: AgentAddress) => boolean): ReadonlyMap<string, number> {
  const ready = warmAgents(parts.store.read).filter(({ id }) => isReady(id));
  return new Map([...Map.groupBy(ready, kindOf)].map(([kind, agents]) => [kind, agents.length]));
}

/** The limits as they are now. */
export function capacityFor(
  parts: Parts,
  tools: { readonly memory: MemoryUse; readonly isReady: (id: AgentAddress) => boolean },
  requests: readonly Request[],
  ready: readonly Task[],
): Capacity {
  const { read } = parts.store;
  const settings = parts.settingsFor(null);
  // Those at work are counted with their tasks; those that stand ready make way for tasks.
  const standing = read.agents.list({ state: 'idle' }).filter((agent) => agent.standing !== null && !isWarm(agent));
  const projects = [...new Set(requests.map(({ projectId }) => projectId))];
  return {
    maxParallel: settings.limits.maxParallel,
    perRequest: new Map(requests.map((r) => [r.id, r.options.maxParallel])),
    perBackend: new Map(Object.entries(settings.backends).map(([id, b]): [BackendId, number] => [id, b.maxSessions])),
    standing: new Map([...Map.groupBy(standing, ({ backend }) => backend)].map(([id, agents]) => [id, agents.length])),
    ...perProject(parts, projects),
    unusable: new Map([...blockedNow(parts, read)].map(([id, b]) => [id, blockText(b)])),
    stopped: new Map(
      projects.flatMap((id): [ProjectId, string][] => {
        const stop = stopFor(read, id);
        const cause = stop ? stopText(stop) : settingsProblem(parts.settingsFor, read.projects.need(id).path);
        return cause === null ? [] : [[id, cause]];
      }),
    ),
    busy: new Map([
      ...read.agents.list({ state: 'working' }).map((a) => [a.id, `${a.id} has ${a.taskId}`] as const),
      ...read.agents
        .list({ state: 'stopped' })
        .map((a) => [a.id, `${a.id} is stopped: gantry agent start ${a.id}`] as const),
      ...read.agents.list({}).flatMap((a) => (a.lent ? [[a.id, lentText(a.id, a.lent)] as const] : [])),
    ]),
    overBudget: overBudgetNow(parts, ready),
    warm: warmNow(parts, tools.isReady),
    memory: tools.memory.now(),
  };
}

function perProject(parts: Parts, ids: readonly ProjectId[]): Pick<Capacity, 'perProject' | 'perRole'> {
  const perProject = new Map<ProjectId, number>();
  const perRole = new Map<string, number>();
  for (const id of ids) {
    const settings = settingsOrCause(parts.settingsFor, parts.store.read.projects.need(id).path);
    if (typeof settings === 'string') continue;
    const { limits, roles } = settings;
    perProject.set(id, limits.maxPerProject);
    for (const [role, { maxSessions }] of Object.entries(roles))
      if (maxSessions !== undefined) perRole.set(roleKey(id, role), maxSessions);
  }
  return { perProject, perRole };
}
