import type { Agent } from './agent.ts';
import type { Approval, Grant } from './approval.ts';
import type { Attempt } from './attempt.ts';
import type { Fact } from './fact.ts';
import type { Merge } from './merge.ts';
import type { Message } from './message.ts';
import type { Project } from './project.ts';
import type { Request } from './request.ts';
import type { Session } from './session.ts';
import type { Task } from './task.ts';

/** What a session is doing now, from its stream. */
export type Live = {
  /** The end of the newest text, at most 2,000 characters. */
  text: string;
  partId: string | null;
  tool: string | null;
  lastAt: number;
};

/** All that a page shows, as of `seq`. The daemon, the CLI and the dashboard build it with the same `fold`. */
export type View = {
  seq: number;
  readonly projects: Map<string, Project>;
  readonly requests: Map<string, Request>;
  readonly tasks: Map<string, Task>;
  readonly attempts: Map<string, Attempt>;
  readonly sessions: Map<string, Session>;
  readonly agents: Map<string, Agent>;
  readonly approvals: Map<string, Approval>;
  readonly grants: Map<string, Grant>;
  readonly messages: Map<string, Message>;
  readonly merges: Map<string, Merge>;
  readonly alerts: Map<string, string>;
  readonly live: Map<string, Live>;
};

export const emptyView = (): View => ({
  seq: 0,
  projects: new Map(),
  requests: new Map(),
  tasks: new Map(),
  attempts: new Map(),
  sessions: new Map(),
  agents: new Map(),
  approvals: new Map(),
  grants: new Map(),
  messages: new Map(),
  merges: new Map(),
  alerts: new Map(),
  live: new Map(),
});

const LIVE_TEXT_LIMIT = 2_000;

/** Applies a fact to a view that the caller owns. A fact that the view has already (`seq` not newer) changes nothing. */
export function fold(view: View, fact: Fact): void {
  if (fact.seq <= view.seq) return;
  view.seq = fact.seq;
  switch (fact.kind) {
    case 'project.changed':
      view.projects.set(fact.data.row.id, fact.data.row);
      return;
    case 'request.changed':
      view.requests.set(fact.data.row.id, fact.data.row);
      return;
    case 'task.changed':
      view.tasks.set(fact.data.row.id, fact.data.row);
      return;
    case 'attempt.changed':
      view.attempts.set(fact.data.row.id, fact.data.row);
      return;
    case 'session.changed':
      view.sessions.set(fact.data.row.id, fact.data.row);
      return;
    case 'agent.changed':
      view.agents.set(fact.data.row.id, fact.data.row);
      return;
    case 'approval.changed':
      view.approvals.set(fact.data.row.id, fact.data.row);
      return;
    case 'grant.changed':
      view.grants.set(fact.data.row.id, fact.data.row);
      return;
    case 'message.changed':
      view.messages.set(fact.data.row.id, fact.data.row);
      return;
    case 'merge.changed':
      view.merges.set(fact.data.row.id, fact.data.row);
      return;
    case 'alert.opened':
      view.alerts.set(fact.data.key, fact.data.text);
      return;
    case 'alert.closed':
      view.alerts.delete(fact.data.key);
      return;
    case 'text.delta':
    case 'text':
    case 'reasoning.delta':
    case 'reasoning':
    case 'tool.started':
    case 'tool.ended':
    case 'turn.started':
    case 'turn.ended':
      foldLive(view, fact);
      return;
    case 'delegation.message':
    case 'prompt.accepted':
    case 'file.changed':
    case 'todo':
    case 'child.started':
    case 'child.state':
    case 'usage':
    case 'compaction':
    case 'retrying':
    case 'notice':
    case 'check.ran':
    case 'collected':
    case 'policy.decided':
    case 'observed':
    case 'late':
    case 'swept':
    case 'daemon.started':
    case 'daemon.stopped':
      return;
    default:
      fact satisfies never;
  }
}

type LiveFact = Extract<
  Fact,
  {
    kind:
      | 'text.delta'
      | 'text'
      | 'reasoning.delta'
      | 'reasoning'
      | 'tool.started'
      | 'tool.ended'
      | 'turn.started'
      | 'turn.ended';
  }
>;

function foldLive(view: View, fact: LiveFact): void {
  if (fact.sessionId === null) return;
  const before = view.live.get(fact.sessionId) ?? { text: '', partId: null, tool: null, lastAt: 0 };
  view.live.set(fact.sessionId, { ...liveAfter(before, fact), lastAt: fact.at });
}

function liveAfter(live: Live, fact: LiveFact): Live {
  switch (fact.kind) {
    case 'text.delta': {
      const text = live.partId === fact.data.partId ? live.text + fact.data.text : fact.data.text;
      return { ...live, partId: fact.data.partId, text: text.slice(-LIVE_TEXT_LIMIT) };
    }
    case 'text':
      return { ...live, partId: fact.data.partId, text: fact.data.text.slice(-LIVE_TEXT_LIMIT) };
    case 'tool.started':
      return { ...live, tool: fact.data.title };
    case 'tool.ended':
    case 'turn.started':
    case 'turn.ended':
      return { ...live, tool: null };
    case 'reasoning.delta':
    case 'reasoning':
      return live;
    default:
      return fact satisfies never;
  }
}
