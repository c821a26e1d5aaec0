import type { ObservedEvent } from '../../src/contract/event.ts';
import { eventUsage } from '../../src/contract/event-usage.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { addUsage, NO_USAGE, type Usage } from '../../src/contract/usage.ts';
import { outsideKey } from './outside-key.ts';
import { addUsed, type Branch, usedBy } from './session-tree.ts';

export type OutsideSession = {
  readonly key: string;
  readonly source: string;
  readonly id: string;
  /** What it was asked first, or is called. */
  name: string;
  model: string | null;
  /** As its last telling event says. */
  state: string;
  usage: Usage;
  parent: string | null;
  events: number;
  /** Its sub-agents that have no session of their own, by their ids. */
  readonly agents: Map<string, { readonly name: string; readonly state: string }>;
};

/** What a session is at after an event; events that are not here say nothing of it. */
const STATES: Readonly<Record<string, string>> = {
  SessionStart: 'idle',
  UserPromptSubmit: 'busy',
  PreToolUse: 'busy',
  PostToolUse: 'busy',
  ToolRequested: 'busy',
  ToolCompleted: 'busy',
  AssistantMessage: 'busy',
  PermissionRequest: 'waiting-approval',
  QuestionAsked: 'waiting-answer',
  PreCompact: 'compacting',
  Retrying: 'waiting-quota',
  Stop: 'idle',
  StopFailure: 'error',
  SessionError: 'error',
  SessionEnd: 'stopped',
};
const textIn = (payload: ObservedEvent['payload'], key: string): string | null => {
  const value = payload[key];
  return typeof value === 'string' && value !== '' ? value : null;
};

/** The sessions of outside programs that events tell of, in the order of their first. */
export function outsideSessions(facts: Iterable<Fact>): ReadonlyMap<string, OutsideSession> {
  const sessions = new Map<string, OutsideSession>();
  for (const fact of facts) {
    // What programs of Gantry's own sessions report is with those.
    if (fact.kind !== 'observed' || fact.sessionId !== null) continue;
    const { source_app: source, session_id: id } = fact.data;
    const key = outsideKey(source, id);
    const session = sessions.get(key) ?? newSession(key, source, id);
    sessions.set(key, session);
    take(session, fact.data);
  }
  return sessions;
}

const newSession = (key: string, source: string, id: string): OutsideSession => ({
  key,
  source,
  id,
  name: '',
  model: null,
  state: 'unknown',
  usage: NO_USAGE,
  parent: null,
  events: 0,
  agents: new Map(),
});

/** An error is what a session is at until it goes on: that its turn is over, or all of it, is told after it. */
function stateAfter(state: string, type: string, payload: ObservedEvent['payload']): string {
  if (state === 'error' && (type === 'Stop' || type === 'SessionEnd')) return state;
  return type === 'AssistantMessage' && textIn(payload, 'error') !== null ? 'error' : (STATES[type] ?? state);
}

function take(session: OutsideSession, { hook_event_type: type, payload, model_name }: ObservedEvent): void {
  session.events += 1;
  session.model = model_name ?? session.model;
  session.state = stateAfter(session.state, type, payload);
  session.parent = textIn(payload, 'parent_session_id') ?? session.parent;
  if (session.name === '') session.name = textIn(payload, 'title') ?? textIn(payload, 'prompt') ?? '';
  const usage = eventUsage(type, payload);
  if (usage !== null) session.usage = addUsage(session.usage, usage);
  const agent = textIn(payload, 'agent_id');
  if (agent === null) return;
  const name = textIn(payload, 'agent_type') ?? session.agents.get(agent)?.name ?? agent;
  session.agents.set(agent, { name, state: type === 'SubagentStop' ? 'stopped' : 'busy' });
}

/** Each session below the one that started it, which has the sum of both; newest first. */
export function outsideTree(sessions: ReadonlyMap<string, OutsideSession>): Branch[] {
  const above = ({ source, parent }: OutsideSession): OutsideSession | undefined =>
    parent === null ? undefined : sessions.get(outsideKey(source, parent));
  /** Programs may say anything: who is said to be above itself is below nobody. */
  const parentOf = (session: OutsideSession): OutsideSession | undefined => {
    const met = new Set<OutsideSession>();
    for (let one = above(session); one !== undefined; one = above(one)) {
      if (one === session) return undefined;
      if (met.has(one)) break;
      met.add(one);
    }
    return above(session);
  };
  const all = [...sessions.values()];
  const branchOf = (session: OutsideSession): Branch => {
    const children = [
      ...all.filter((one) => parentOf(one) === session).map(branchOf),
      ...[...session.agents].map(([id, agent]): Branch => {
        return { id, what: 'sub-agent', ...agent, used: null, children: [] };
      }),
    ];
    const name = [session.source, session.name || session.id].join(': ');
    const isLost = session.parent !== null && !above(session);
    return {
      id: session.key,
      what: 'session',
      name: isLost ? `${name} (of ${session.parent}, which is not loaded)` : name,
      state: session.state,
      used: addUsed([usedBy(session.usage), ...children.map(({ used }) => used)]),
      children,
    };
  };
  return all
    .filter((session) => !parentOf(session))
    .map(branchOf)
    .reverse();
}
