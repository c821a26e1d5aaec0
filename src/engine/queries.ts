import type { QueueRow } from '../contract/agent-operations.ts';
import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Approval } from '../contract/approval.ts';
import type { BudgetRow } from '../contract/budget.ts';
import type { Caller } from '../contract/caller.ts';
import type { ApprovalId, RequestId, SessionId, TaskId } from '../contract/ids.ts';
import type { ShownMessage } from '../contract/message.ts';
import type { Project } from '../contract/project.ts';
import type { Request } from '../contract/request.ts';
import type { TranscriptItem } from '../contract/session.ts';
import type { AgentRow, BackendStatus, RequestDetail, ViewSnapshot } from '../contract/shapes.ts';
import { mailText, TRANSCRIPT_KINDS, transcriptItem } from '../contract/transcript.ts';
import { agentRows } from './agents/agent-rows.ts';
import { openAlerts } from './alerts.ts';
import { budgetRows } from './budget/budget-list.ts';
import { usageSummary } from './budget/usage-summary.ts';
import { mergeOf } from './merge/merge-intake.ts';
import { listMessages } from './messages/post.ts';
import type { Parts } from './parts.ts';
import { needProject } from './projects.ts';
import type { Dispatcher } from './scheduling/dispatch.ts';
import type { Probes } from './scheduling/probes.ts';
import { queueRows } from './scheduling/queue.ts';

const RECENT_REQUESTS = 50;
const MAX_TRANSCRIPT_ITEMS = 10_000;

/** Reads: lists, details and the snapshot that views start from. */
export class Queries {
  readonly #parts: Parts;
  readonly #probes: Probes;
  readonly #dispatcher: Dispatcher;

  constructor(parts: Parts, probes: Probes, dispatcher: Dispatcher) {
    this.#parts = parts;
    this.#dispatcher = dispatcher;
    this.#probes = probes;
  }

  /** Everything current: what is not over, and the newest requests with all that belongs to them. */
  view(requestId: RequestId | undefined): ViewSnapshot {
    const { read, journal } = this.#parts.store;
    const seq = journal.head();
    const requests = requestId ? [read.requests.need(requestId)] : this.#currentRequests();
    const ids = requests.map((r) => r.id);
    const tasks = ids.length > 0 ? read.tasks.list({ requestId: ids }) : [];
    const attempts = ids.length > 0 ? read.attempts.list({ requestId: ids }) : [];
    const attemptIds = new Set<string>(attempts.map((a) => a.id));
    const sessions = read.sessions
      .list({ order: 'desc', limit: 1_000 })
      .filter((s) => (s.attemptId ? attemptIds.has(s.attemptId) : !requestId));
    const approvals = read.approvals
      .list({ order: 'desc', limit: 1_000 })
      .filter((a) => a.state === 'pending' || (a.requestId !== null && ids.includes(a.requestId)));
    return {
      seq,
      projects: read.projects.list({ state: 'active' }),
      requests,
      tasks,
      attempts,
      sessions,
      agents: read.agents.list({}),
      approvals,
      grants: read.grants.list({ state: 'active' }),
      messages: read.messages.list({ order: 'desc', limit: 200 }),
      merges: read.merges.list({ order: 'desc', limit: 200 }),
      alerts: this.alerts(),
    };
  }

  #currentRequests(): Request[] {
    const { read } = this.#parts.store;
    const open = read.requests.list({ state: ['planning', 'planned', 'running', 'paused'] });
    const recent = read.requests.list({ order: 'desc', limit: RECENT_REQUESTS });
    return [...new Map([...open, ...recent].map((r) => [r.id, r])).values()];
  }

  requests(input: ParsedInputOf<'requests.list'>): OutputOf<'requests.list'> {
    const project = this.#project(input.project);
    const items = this.#parts.store.read.requests.list({
      ...(input.state && { state: input.state }),
      ...(project && { projectId: project.id }),
      ...(input.cursor && { after: input.cursor }),
      limit: input.limit,
      order: 'desc',
    });
    return { items, nextCursor: items.length === input.limit ? (items.at(-1)?.id ?? null) : null };
  }

  request(id: RequestId): RequestDetail {
    const { read } = this.#parts.store;
    const request = read.requests.need(id);
    return {
      request,
      tasks: read.tasks.list({ requestId: id }).sort((a, b) => a.position - b.position),
      attempts: read.attempts.list({ requestId: id }),
      approvals: read.approvals.list({ requestId: id }),
      merge: mergeOf(read, id),
    };
  }

  tasks(input: ParsedInputOf<'tasks.list'>): OutputOf<'tasks.list'> {
    const project = this.#project(input.project);
    const items = this.#parts.store.read.tasks.list({
      ...(input.state && { state: input.state }),
      ...(input.requestId && { requestId: input.requestId }),
      ...(project && { projectId: project.id }),
      ...(input.cursor && { after: input.cursor }),
      limit: input.limit,
      order: 'desc',
    });
    return { items, nextCursor: items.length === input.limit ? (items.at(-1)?.id ?? null) : null };
  }

  task(id: TaskId): OutputOf<'tasks.get'> {
    const { read } = this.#parts.store;
    const task = read.tasks.need(id);
    const attempts = read.attempts.list({ taskId: id });
    const ids = new Set(attempts.flatMap((a) => a.sessionId ?? []));
    return { task, attempts, sessions: [...ids].map((session) => read.sessions.need(session)) };
  }

  sessions(input: ParsedInputOf<'sessions.list'>): OutputOf<'sessions.list'> {
    if (input.taskId) return { items: this.task(input.taskId).sessions, nextCursor: null };
    const items = this.#parts.store.read.sessions.list({
      ...(input.cursor && { after: input.cursor }),
      limit: input.limit,
      order: 'desc',
    });
    return { items, nextCursor: items.length === input.limit ? (items.at(-1)?.id ?? null) : null };
  }

  /** From the journal: readable with no agent program running. The prompts come from the attempts that gave them. */
  transcript(id: SessionId): TranscriptItem[] {
    const { read, journal } = this.#parts.store;
    const session = read.sessions.need(id);
    const prompts = new Map(
      (session.attemptId ? read.attempts.list({ taskId: read.attempts.need(session.attemptId).taskId }) : []).flatMap(
        (a) => a.prompts.map((p) => [p.id as string, p.text]),
      ),
    );
    // What an agent that stands by is told are messages.
    const textOf = (prompt: string): string =>
      prompts.get(prompt) ?? mailText(read.messages.list({ promptId: prompt }), prompt);
    const items = new Map<string, TranscriptItem>();
    // A page may be short before the end of the journal.
    let cursor = 0;
    while (items.size < MAX_TRANSCRIPT_ITEMS) {
      const { facts, next } = journal.since(cursor, { sessionId: id, kinds: TRANSCRIPT_KINDS });
      for (const fact of facts) {
        const item = transcriptItem(fact, textOf);
        if (item) items.set(item.id, item);
      }
      if (next === cursor) break;
      cursor = next;
    }
    return [...items.values()];
  }

  agents(input: ParsedInputOf<'agents.list'>): Promise<AgentRow[]> {
    return agentRows(this.#parts, this.#probes, input);
  }

  queue(project: string | undefined): QueueRow[] {
    return queueRows(this.#parts, this.#dispatcher, this.#project(project)?.id ?? null);
  }

  approvals(input: ParsedInputOf<'approvals.list'>): OutputOf<'approvals.list'> {
    const items = this.#parts.store.read.approvals.list({
      ...(!input.all && { state: 'pending' as const }),
      ...(input.requestId && { requestId: input.requestId }),
      ...(input.cursor && { after: input.cursor }),
      limit: input.limit,
      order: 'desc',
    });
    return { items, nextCursor: items.length === input.limit ? (items.at(-1)?.id ?? null) : null };
  }

  approval(id: ApprovalId): Approval {
    return this.#parts.store.read.approvals.need(id);
  }

  grants(): OutputOf<'grants.list'> {
    return { items: this.#parts.store.read.grants.list({ state: 'active' }) };
  }

  messages(input: ParsedInputOf<'messages.list'>, caller: Caller): ShownMessage[] {
    return listMessages(this.#parts, input, caller);
  }

  usage(input: ParsedInputOf<'usage.summary'>): OutputOf<'usage.summary'> {
    return usageSummary(this.#parts, input);
  }

  budgets(): BudgetRow[] {
    return budgetRows(this.#parts);
  }

  projects(): Project[] {
    return this.#parts.store.read.projects.list({ state: 'active' });
  }

  backends(): Promise<BackendStatus[]> {
    return this.#probes.all();
  }

  alerts(): { key: string; text: string }[] {
    return Object.entries(openAlerts(this.#parts.store.read)).map(([key, text]) => ({ key, text }));
  }

  /** How many requests and tasks are in each state. */
  counts(): { requests: Record<string, number>; tasks: Record<string, number>; pendingApprovals: number } {
    const { read } = this.#parts.store;
    const by = (rows: readonly { readonly state: string }[]): Record<string, number> => {
      const counts: Record<string, number> = {};
      for (const { state } of rows) counts[state] = (counts[state] ?? 0) + 1;
      return counts;
    };
    return {
      requests: by(read.requests.list({})),
      tasks: by(read.tasks.list({})),
      pendingApprovals: read.approvals.count({ state: 'pending' }),
    };
  }

  /** By id, name or path. @throws AppError `not_found` */
  project(wanted: string): Project {
    return needProject(this.#parts, wanted);
  }

  #project(wanted: string | undefined): Project | null {
    return wanted === undefined ? null : needProject(this.#parts, wanted);
  }
}
