import type { Fact } from '../../src/contract/fact.ts';
import type { View } from '../../src/contract/fold.ts';
import { isSessionOver } from '../../src/contract/session.ts';
import { hasTokens, type Usage } from '../../src/contract/usage.ts';
import type { Priced } from './usage.ts';

export type Branch = {
  readonly id: string;
  readonly what: 'request' | 'task' | 'attempt' | 'session' | 'sub-agent';
  readonly name: string;
  readonly state: string | null;
  /** What it and all below it used; null where nobody tells. */
  readonly used: Used | null;
  readonly children: readonly Branch[];
};

/** How many below it have failed or wait for a person: of those that stand one below another, the lowest. */
export function troubleBelow({ what, state, children }: Branch): { readonly failed: number; readonly waiting: number } {
  let [failed, waiting] = [0, 0];
  // What failed on the way to it was made good.
  if ((what === 'task' || what === 'attempt') && state === 'done') return { failed, waiting };
  for (const child of children) {
    const below = troubleBelow(child);
    const state = child.state ?? '';
    failed += below.failed || Number(FAILED.has(state));
    waiting += below.waiting || Number(WAITING.has(state));
  }
  return { failed, waiting };
}
const FAILED: ReadonlySet<string> = new Set(['failed', 'error']);
const WAITING: ReadonlySet<string> = new Set(['waiting', 'waiting-approval', 'waiting-answer']);

export type Used = Priced & { readonly tokens: number };

type Table = 'requests' | 'tasks' | 'attempts' | 'sessions' | 'approvals';
type Rows = { readonly [T in Table]: ReadonlyMap<string, Row<T>> };
type Row<T extends keyof View> = View[T] extends Map<string, infer R> ? R : never;

const NOTHING: Used = { tokens: 0, sessions: 0, unpriced: 0, pricedUsd: 0 };

/** What one session used by itself; one that has used nothing yet has no cost that could be unknown. */
export function usedBy(usage: Usage): Used {
  const isUnpriced = usage.costUsd === null && hasTokens(usage);
  return {
    tokens: usage.inputTokens + usage.outputTokens,
    sessions: isUnpriced || usage.costUsd !== null ? 1 : 0,
    unpriced: isUnpriced ? 1 : 0,
    pricedUsd: usage.costUsd ?? 0,
  };
}

export const addUsed = (all: readonly (Used | null)[]): Used =>
  all.reduce<Used>(
    (sum, one) => ({
      tokens: sum.tokens + (one?.tokens ?? 0),
      sessions: sum.sessions + (one?.sessions ?? 0),
      unpriced: sum.unpriced + (one?.unpriced ?? 0),
      pricedUsd: sum.pricedUsd + (one?.pricedUsd ?? 0),
    }),
    NOTHING,
  );

/** The daemon's sum has all below in it; where it has no price for a part, what is known of the others is said. */
function usedWith(usage: Usage, children: readonly Branch[]): Used {
  const own = usedBy(usage);
  const below = addUsed(children.map(({ used }) => used));
  return own.unpriced === 0 || below.sessions === 0
    ? own
    : { ...below, tokens: own.tokens, unpriced: Math.max(below.unpriced, 1) };
}

/** Request → task → attempt → session → what the session itself started; sessions of no attempt stand below. */
export function sessionTree(rows: Rows, facts: readonly Fact[]): Branch[] {
  const { requests, tasks, attempts, sessions } = rows;
  const childrenOf = subAgents(facts, childStates(rows, facts));
  const sessionBranch = (session: Row<'sessions'>): Branch => ({
    id: session.id,
    what: 'session',
    name: `${session.backend}${session.purpose === 'attempt' ? '' : `, ${session.purpose}`}`,
    state: session.state === 'running' ? session.activity : session.state,
    used: usedBy(session.usage),
    children: childrenOf.get(session.id) ?? [],
  });
  const attemptsOf = Map.groupBy(attempts.values(), ({ taskId }) => taskId);
  const tasksOf = Map.groupBy(tasks.values(), ({ requestId }) => requestId);
  const attemptBranch = (attempt: Row<'attempts'>): Branch => {
    const session = attempt.sessionId === null ? undefined : sessions.get(attempt.sessionId);
    const { id, state, number } = attempt;
    const children = session ? [sessionBranch(session)] : [];
    return { id, what: 'attempt', name: `attempt ${number}`, state, used: usedWith(attempt.usage, children), children };
  };
  const taskBranch = ({ id, label, title, state, usage }: Row<'tasks'>): Branch => {
    const children = (attemptsOf.get(id) ?? []).map(attemptBranch);
    return { id, what: 'task', name: `${label} ${title}`, state, used: usedWith(usage, children), children };
  };
  const trees = [...requests.values()].toReversed().map((request): Branch => {
    const own = (tasksOf.get(request.id) ?? []).sort((a, b) => a.position - b.position);
    const { id, text, state, usage } = request;
    const children = own.map(taskBranch);
    return { id, what: 'request', name: text, state, used: usedWith(usage, children), children };
  });
  const single = [...sessions.values()].filter(({ attemptId }) => attemptId === null).map(sessionBranch);
  return [...trees, ...single];
}

const childKey = (sessionId: string, nativeId: string): string => `${sessionId} ${nativeId}`;

/** Where sub-agents stand: what they ask waits for a person; else as their program has said it. */
function childStates({ sessions, approvals }: Rows, facts: readonly Fact[]): ReadonlyMap<string, string> {
  const states = new Map<string, string>();
  for (const { kind, sessionId, data } of facts) {
    if (kind !== 'child.state' || sessionId === null) continue;
    const { state } = sessions.get(sessionId) ?? { state: 'lost' };
    // Nobody is left who could tell its end.
    const isLeft = data.state === 'running' && (state === 'lost' || isSessionOver(state));
    states.set(childKey(sessionId, data.nativeId), isLeft ? 'unknown' : data.state);
  }
  for (const { state, sessionId, childId, subject } of approvals.values()) {
    if (state !== 'pending' || sessionId === null || childId === undefined) continue;
    states.set(childKey(sessionId, childId), subject.type === 'question' ? 'waiting-answer' : 'waiting-approval');
  }
  return states;
}

/** By the session that started them, each below the one that started it. Some are told again after a restart. */
function subAgents(facts: readonly Fact[], states: ReadonlyMap<string, string>): Map<string, Branch[]> {
  const found = new Map<string, Branch[]>();
  const known = new Map<string, Branch[]>();
  for (const fact of facts) {
    if (fact.kind !== 'child.started' || fact.sessionId === null) continue;
    const { nativeId, title, parentId } = fact.data;
    const key = childKey(fact.sessionId, nativeId);
    if (known.has(key)) continue;
    const children: Branch[] = [];
    known.set(key, children);
    const branch: Branch = {
      id: nativeId,
      what: 'sub-agent',
      name: title || nativeId,
      state: states.get(key) ?? 'unknown',
      used: null,
      children,
    };
    const above = known.get(childKey(fact.sessionId, parentId ?? ''));
    const siblings = above ?? found.get(fact.sessionId) ?? [];
    siblings.push(branch);
    if (!above) found.set(fact.sessionId, siblings);
  }
  return found;
}
