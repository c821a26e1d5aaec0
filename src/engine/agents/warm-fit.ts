import { createHash } from 'node:crypto';
import type { Agent, Standing } from '../../contract/agent.ts';
import type { Caller } from '../../contract/caller.ts';
import type { BackendId, ProjectId } from '../../contract/ids.ts';
import type { Isolation } from '../../contract/isolation.ts';
import type { Project } from '../../contract/project.ts';
import type { Task } from '../../contract/task.ts';
import type { Reader } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import { isolationOf } from '../scheduling/isolation.ts';
import type { Settings } from '../settings.ts';

/** An agent that is kept ready: it has a session and a workspace, and was told nothing. */
export type WarmAgent = Agent & {
  readonly projectId: ProjectId;
  readonly standing: Standing & { readonly warm: NonNullable<Standing['warm']> };
};

export const isWarm = (agent: Agent): agent is WarmAgent => agent.projectId !== null && agent.standing?.warm != null;

/** Those that no task has. */
export const warmAgents = (read: Pick<Reader, 'agents'>): WarmAgent[] =>
  read.agents.list({ state: 'idle' }).filter(isWarm);

/** One that stood ready for any task is a person's from now on. */
export function keepForPerson(parts: Parts, agent: Agent, { actor }: Caller): void {
  if (!isWarm(agent)) return;
  const standing = { ...agent.standing, warm: null };
  parts.store.commit((tx) => tx.agents.update(agent.id, { standing }, { actor, cause: `${actor} has taken it` }));
}

type Made = { readonly backend: BackendId; readonly model: string | null; readonly isolation: Isolation };

/** All that decides how a session of a role is opened: where two are equal, one can take the place of the other. */
export function warmKey(settings: Settings, { isTrusted }: Project, role: string, made: Made): string {
  const { warm: _, ...rest } = settings.roles[role] ?? {};
  const { backend, model, isolation } = made;
  const all = [backend, model, isolation, isTrusted, rest, settings.setup, settings.backends[backend]];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 16);
}

/** The key of the session that a task would be given; null if none can be made before it is known. */
export function keyFor(parts: Parts, project: Project, task: Task): string | null {
  const request = parts.store.read.requests.need(task.requestId);
  // One that was tried before goes on where it was; one of a delegation is made for that alone.
  if (task.attempts > 0 || request.delegation) return null;
  const settings = parts.settingsFor(project.path);
  const isolation = isolationOf(settings, task.role, request.options.isolation);
  return warmKey(settings, project, task.role, { backend: task.backend, model: task.model, isolation });
}

/** The agent that is ready for a task; null: a session is to be opened for it. */
export function readyFor(
  parts: Parts,
  isReady: (agent: WarmAgent) => boolean,
  project: Project,
  task: Task,
): WarmAgent | null {
  const { role, target } = task;
  const fitting = warmAgents(parts.store.read).filter(
    (a) => a.projectId === project.id && a.role === role && (target === null || target === a.id) && isReady(a),
  );
  if (fitting.length === 0) return null;
  const key = keyFor(parts, project, task);
  return fitting.find(({ standing }) => standing.warm.key === key) ?? null;
}
