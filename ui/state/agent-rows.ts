import type { Agent } from '../../src/contract/agent.ts';
import type { View } from '../../src/contract/fold.ts';
import type { Session } from '../../src/contract/session.ts';
import type { Task } from '../../src/contract/task.ts';

type Tables = { readonly [T in 'agents' | 'sessions' | 'projects' | 'tasks' | 'live']: ReadonlyMap<string, Row<T>> };
type Row<T extends keyof View> = View[T] extends Map<string, infer R> ? R : never;

export type AgentRow = Pick<Agent, 'id' | 'name' | 'role' | 'backend' | 'createdAt'> & {
  readonly project: string;
  readonly state: string;
  readonly isAtWork: boolean;
  readonly task: Task | null;
  /** What it does or says now. */
  readonly now: string | null;
  readonly host: string | null;
  /** ms */
  readonly last: number | null;
  /** Of all its sessions; null if one of them is not known. */
  readonly costUsd: number | null;
};

/** The rows of `gantry agents`, those at work first. */
export function agentRows(tables: Tables): AgentRow[] {
  const sessions = Map.groupBy(tables.sessions.values(), ({ agent }) => agent);
  const rows = [...tables.agents.values()].map((agent) => rowOf(agent, sessions.get(agent.id) ?? [], tables));
  return rows.sort((a, b) => Number(b.isAtWork) - Number(a.isAtWork) || a.id.localeCompare(b.id));
}

function rowOf(agent: Agent, own: readonly Session[], { sessions, projects, tasks, live }: Tables): AgentRow {
  const { id, name, role, backend, createdAt, sessionId, taskId } = agent;
  const session = sessionId === null ? undefined : sessions.get(sessionId);
  const doing = sessionId === null ? undefined : live.get(sessionId);
  const isAtWork = agent.state === 'working';
  return {
    id,
    name,
    role,
    backend,
    createdAt,
    project: agent.projectId === null ? '-' : (projects.get(agent.projectId)?.name ?? agent.projectId),
    state: isAtWork && session ? session.activity : agent.state,
    isAtWork,
    task: taskId === null ? null : (tasks.get(taskId) ?? null),
    now: isAtWork ? (doing?.tool ?? doing?.text.slice(-80) ?? null) : null,
    host: session?.host ?? null,
    last: session?.lastEventAt ?? null,
    costUsd: costOf(own),
  };
}

function costOf(sessions: readonly Session[]): number | null {
  let sum: number | null = null;
  for (const { usage } of sessions) {
    if (usage.costUsd === null) return null;
    sum = (sum ?? 0) + usage.costUsd;
  }
  return sum;
}
