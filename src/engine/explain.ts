import { AppError } from '../contract/errors.ts';
import type { Merge } from '../contract/merge.ts';
import type { Request } from '../contract/request.ts';
import type { Task } from '../contract/task.ts';
import { mergeOf } from './merge/merge-intake.ts';
import { linesOf } from './merge/merge-list.ts';
import { shown } from './messages/hold.ts';
import type { Parts } from './parts.ts';
import type { Dispatcher } from './scheduling/dispatch.ts';
import { settingsProblem } from './settings.ts';

export type Explanation = {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly lines: string[];
};

/** Why a thing is in the state it is in, in words. @throws AppError `not_found` */
export function explain(parts: Parts, dispatcher: Dispatcher, id: string): Explanation {
  const { read } = parts.store;
  if (id.startsWith('tsk_')) return explainTask(parts, dispatcher, read.tasks.need(id));
  if (id.startsWith('req_')) return explainRequest(parts, read.requests.need(id));
  if (id.startsWith('apr_')) {
    const row = read.approvals.need(id);
    const lines = [
      row.cause ?? '',
      row.decidedBy
        ? `decided by ${row.decidedBy}`
        : `waits until ${new Date(row.expiresAt).toISOString()}, then it is denied`,
    ];
    return { id, kind: 'approval', state: row.state, lines: lines.filter((line) => line !== '') };
  }
  if (id.startsWith('sess_')) {
    const row = read.sessions.need(id);
    return {
      id,
      kind: 'session',
      state: row.state,
      lines: [`activity: ${row.activity}`, ...(row.cause ? [row.cause] : [])],
    };
  }
  if (id.startsWith('att_')) {
    const row = read.attempts.need(id);
    return {
      id,
      kind: 'attempt',
      state: row.state,
      lines: [`number ${row.number} of ${row.taskId}`, `workspace ${row.workspace}`, ...(row.cause ? [row.cause] : [])],
    };
  }
  if (id.startsWith('mail_')) {
    const { state, cause, held } = shown(read, read.messages.need(id));
    return { id, kind: 'message', state, lines: [cause, held].filter((line) => line !== null) };
  }
  if (id.startsWith('mrg_')) return explainMerge(parts, read.merges.need(id));
  throw new AppError(
    'not_found',
    `${id} is no id of a request, task, attempt, session, approval, message or merge (req_, tsk_, att_, sess_, apr_, mail_, mrg_)`,
  );
}

function explainMerge(parts: Parts, merge: Merge): Explanation {
  const place = linesOf(parts).flatMap(({ merges }) => {
    const index = merges.findIndex(({ id }) => id === merge.id);
    return index < 0 ? [] : [`place ${index + 1} of ${merges.length} in line for ${merge.target}`];
  });
  const problem = problemOf(parts, merge);
  const asked = (merge.reviewId === null ? [] : parts.store.read.tasks.list({ requestId: merge.reviewId })).map(
    (task) => `${task.target} was asked for a verdict: ${task.id} is ${task.state}`,
  );
  const reviews = merge.reviews.map(({ by, verdict, text }) => `${by}: ${verdict}${text === '' ? '' : `, ${text}`}`);
  const until =
    merge.reviewUntil === null ? [] : [`verdicts are taken until ${new Date(merge.reviewUntil).toISOString()}`];
  const gate = merge.gate === null ? [] : [merge.gate.output.trimEnd()];
  const lines = [
    ...(merge.cause === null ? [] : [merge.cause]),
    ...problem,
    ...place,
    ...asked,
    ...reviews,
    ...until,
    ...gate,
  ];
  return { id: merge.id, kind: 'merge', state: merge.state, lines };
}

/** Why nothing starts in its project. */
function problemOf({ store, settingsFor }: Parts, { projectId }: Pick<Merge, 'projectId'>): string[] {
  return [settingsProblem(settingsFor, store.read.projects.need(projectId).path) ?? []].flat();
}

function explainTask(parts: Parts, dispatcher: Dispatcher, task: Task): Explanation {
  const { read } = parts.store;
  const pending = read.approvals.list({ taskId: task.id, state: 'pending' });
  const attempts = read.attempts.list({ taskId: task.id });
  const lines = [
    ...(task.cause ? [task.cause] : []),
    ...waits(parts, dispatcher, task),
    ...pending.map((a) => `waits for your answer: gantry approve ${a.id}, or gantry deny ${a.id}`),
    ...attempts.map(
      (a) =>
        `attempt ${a.number} (${a.agent}): ${[a.state, a.cause].filter(Boolean).join(', ')}; workspace ${a.workspace}`,
    ),
    ...(task.result?.checks ?? []).map(
      (c) => `${c.isMet === null ? 'not checked' : c.isMet ? 'met' : 'not met'}: ${c.text}`,
    ),
  ];
  return { id: task.id, kind: 'task', state: task.state, lines };
}

/** What a task that does not run waits for. */
function waits(parts: Parts, dispatcher: Dispatcher, task: Task): string[] {
  const { read } = parts.store;
  const request = read.requests.need(task.requestId);
  const sessionId = task.attemptId && read.attempts.need(task.attemptId).sessionId;
  const session = sessionId ? read.sessions.need(sessionId) : null;
  const how = session?.state === 'paused' && session.cause !== null ? [`its session is paused: ${session.cause}`] : [];
  const paused = request.state === 'paused' ? [`its request is paused: gantry resume ${request.id}`, ...how] : [];
  switch (task.state) {
    case 'ready': {
      const place = dispatcher.outlook().waiting.find((w) => w.id === task.id);
      return place ? [`number ${place.position} in the queue: ${place.reason}`, ...paused] : paused;
    }
    case 'blocked': {
      const needs = task.dependsOn.map((id) => read.tasks.need(id)).filter((t) => t.state !== 'done');
      return [`waits for ${needs.map((t) => `${t.label} (${t.state})`).join(', ')}`, ...paused];
    }
    case 'deferred':
      return task.notBefore === null ? paused : [`goes on at ${new Date(task.notBefore).toISOString()}`, ...paused];
    case 'assigned':
    case 'working':
    case 'verifying':
      return [...problemOf(parts, task), ...paused];
    default:
      return paused;
  }
}

function explainRequest(parts: Parts, request: Request): Explanation {
  const tasks = parts.store.read.tasks.list({ requestId: request.id });
  const lines = request.cause ? [request.cause] : [];
  if (request.plan?.fallbackReason)
    lines.push(`no model made this plan (${request.plan.fallbackReason}): ${request.plan.fallbackDetail ?? ''}`);
  lines.push(...tasks.map((t) => `${t.label} ${t.title}: ${t.state}${t.cause ? `, ${t.cause}` : ''}`));
  const merge = mergeOf(parts.store.read, request.id);
  if (merge) lines.push(`merge ${merge.id} is ${merge.state}${merge.cause === null ? '' : `: ${merge.cause}`}`);
  else if (request.result?.branch) lines.push(`the work is on branch ${request.result.branch}`);
  return { id: request.id, kind: 'request', state: request.state, lines };
}
