import type { Fact } from '../../src/contract/fact.ts';
import type { View } from '../../src/contract/fold.ts';

export type Branch = {
  readonly id: string;
  readonly what: 'request' | 'task' | 'attempt' | 'session' | 'sub-agent';
  readonly name: string;
  readonly state: string | null;
  /** USD; null is unknown. */
  readonly costUsd: number | null;
  readonly tokens: number;
  readonly children: readonly Branch[];
};

type Rows = { readonly [T in 'requests' | 'tasks' | 'attempts' | 'sessions']: ReadonlyMap<string, Row<T>> };
type Row<T extends keyof View> = View[T] extends Map<string, infer R> ? R : never;
type Used = {
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number; readonly costUsd: number | null };
};

const used = ({ usage }: Used): Pick<Branch, 'costUsd' | 'tokens'> => ({
  costUsd: usage.costUsd,
  tokens: usage.inputTokens + usage.outputTokens,
});

/** Request → task → attempt → session → what the session itself started; sessions of no attempt stand below. */
export function sessionTree({ requests, tasks, attempts, sessions }: Rows, facts: readonly Fact[]): Branch[] {
  const childrenOf = subAgents(facts);
  const sessionBranch = (session: Row<'sessions'>): Branch => ({
    id: session.id,
    what: 'session',
    name: `${session.backend}${session.purpose === 'attempt' ? '' : `, ${session.purpose}`}`,
    state: session.state === 'running' ? session.activity : session.state,
    ...used(session),
    children: childrenOf.get(session.id) ?? [],
  });
  const attemptsOf = Map.groupBy(attempts.values(), ({ taskId }) => taskId);
  const tasksOf = Map.groupBy(tasks.values(), ({ requestId }) => requestId);
  const attemptBranch = (attempt: Row<'attempts'>): Branch => {
    const session = attempt.sessionId === null ? undefined : sessions.get(attempt.sessionId);
    const { id, state, number } = attempt;
    const children = session ? [sessionBranch(session)] : [];
    return { id, what: 'attempt', name: `attempt ${number}`, state, ...used(attempt), children };
  };
  const taskBranch = (task: Row<'tasks'>): Branch => ({
    id: task.id,
    what: 'task',
    name: `${task.label} ${task.title}`,
    state: task.state,
    ...used(task),
    children: (attemptsOf.get(task.id) ?? []).map(attemptBranch),
  });
  const trees = [...requests.values()].toReversed().map((request): Branch => {
    const own = (tasksOf.get(request.id) ?? []).sort((a, b) => a.position - b.position);
    const { id, text, state } = request;
    return { id, what: 'request', name: text, state, ...used(request), children: own.map(taskBranch) };
  });
  const single = [...sessions.values()].filter(({ attemptId }) => attemptId === null).map(sessionBranch);
  return [...trees, ...single];
}

/** By the session that started them. Of a sub-agent only its start is told: its state is not known. */
function subAgents(facts: readonly Fact[]): Map<string, Branch[]> {
  const found = new Map<string, Branch[]>();
  for (const fact of facts) {
    if (fact.kind !== 'child.started' || fact.sessionId === null) continue;
    const { nativeId, title } = fact.data;
    const branch: Branch = {
      id: nativeId,
      what: 'sub-agent',
      name: title || nativeId,
      state: null,
      costUsd: null,
      tokens: 0,
      children: [],
    };
    found.set(fact.sessionId, [...(found.get(fact.sessionId) ?? []), branch]);
  }
  return found;
}
