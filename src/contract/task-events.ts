import type { Approval } from './approval.ts';
import type { NoteType, TaskEvent, TaskEventType } from './delegation.ts';
import type { Fact, FactKind } from './fact.ts';
import type { Request } from './request.ts';

/** The kinds of fact that may be an event of a delegation. */
export const EVENT_KINDS = [
  'request.changed',
  'attempt.changed',
  'approval.changed',
  'delegation.message',
  'text',
  'tool.ended',
  'retrying',
  'check.ran',
] as const satisfies readonly FactKind[];

/** One event's text; the whole is in the transcript. */
const MAX_TEXT = 2_000;

/** What a fact says to the caller of a delegation; null if nothing. Every projection for callers is made of this. */
export function taskEventOf(fact: Fact): TaskEvent | null {
  const said = saidBy(fact);
  if (said === null) return null;
  const { type, message, data = {} } = said;
  return { seq: fact.seq, timestamp: fact.at, type, message: cut(message), data };
}

type Said = {
  readonly type: TaskEventType;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
};

function saidBy(fact: Fact): Said | null {
  switch (fact.kind) {
    case 'request.changed':
      return fact.data.from === fact.data.to ? null : requestMoved(fact.data.from, fact.data.row, fact.data.cause);
    case 'attempt.changed': {
      if (fact.data.from !== 'starting' || fact.data.to !== 'working') return null;
      const { number, agent } = fact.data.row;
      return number === 1
        ? { type: 'task_started', message: 'Task execution started', data: { agent } }
        : { type: 'task_progress', message: `Attempt ${number} started` };
    }
    case 'approval.changed':
      return fact.data.from === fact.data.to ? null : approvalMoved(fact.data.row);
    case 'delegation.message': {
      const { messageId, noteType, text, metadata } = fact.data;
      return {
        type: TYPE_OF_NOTE[noteType],
        message: text,
        data: { ...metadata, message_id: messageId, message_type: noteType },
      };
    }
    case 'text':
      return { type: 'task_progress', message: fact.data.text };
    case 'tool.ended':
      return { type: 'task_progress', message: `${fact.data.tool}: ${fact.data.title} (${fact.data.status})` };
    case 'retrying':
      return { type: 'task_progress', message: `Waits for the model (try ${fact.data.try}): ${fact.data.message}` };
    case 'check.ran': {
      const { text, isMet } = fact.data.check;
      const word = isMet === null ? 'not checked' : isMet ? 'met' : 'not met';
      return { type: 'task_progress', message: `Check ${word}: ${text}` };
    }
    default:
      return null;
  }
}

function requestMoved(from: string | null, row: Request, cause: string | null): Said | null {
  switch (row.state) {
    case 'paused':
      return { type: 'task_paused', message: `Task paused: ${cause ?? 'asked'}` };
    case 'running':
      return from === 'paused' ? { type: 'task_resumed', message: `Task resumed: ${cause ?? 'asked'}` } : null;
    case 'done':
      return { type: 'task_completed', message: 'Task completed', data: ended(row) };
    case 'failed':
      return row.failure?.class === 'timeout'
        ? { type: 'task_timeout', message: TIMED_OUT, data: ended(row) }
        : { type: 'task_failed', message: `Task failed: ${row.failure?.message ?? row.cause}`, data: ended(row) };
    case 'cancelled':
      return row.failure?.class === 'timeout'
        ? { type: 'task_timeout', message: row.failure.message, data: ended(row) }
        : { type: 'task_cancelled', message: `Task cancelled: ${row.cause ?? 'asked'}`, data: ended(row) };
    default:
      return null;
  }
}

export const TIMED_OUT = 'Task execution timed out';

const ended = ({ createdAt, endedAt, failure }: Request): Readonly<Record<string, unknown>> => ({
  duration_ms: (endedAt ?? createdAt) - createdAt,
  ...(failure?.exitCode !== undefined && { exit_code: failure.exitCode }),
});

function approvalMoved(row: Approval): Said {
  const data = { approval_id: row.id };
  const what =
    row.subject.type === 'permission'
      ? `${row.subject.call.tool} ${row.subject.call.command ?? row.subject.call.patterns.join(' ')}`
      : row.subject.questions.map((question) => question.question).join(' ');
  if (row.state === 'pending') {
    const kind = row.subject.type === 'permission' ? 'an approval' : 'an answer';
    return { type: 'task_progress', message: `Waits for ${kind}: ${what} (${row.id})`, data };
  }
  const by = row.decidedBy ?? 'Gantry';
  return { type: 'task_progress', message: `${row.id} was ${row.state} by ${by}: ${what}`, data };
}

const TYPE_OF_NOTE: Readonly<Record<NoteType, TaskEventType>> = {
  update: 'task_progress',
  feedback: 'task_feedback',
  clarification: 'task_feedback',
  guidance: 'task_feedback',
  correction: 'task_feedback',
  approval: 'task_feedback',
  requirement_change: 'task_runtime_update',
  context_change: 'task_runtime_update',
  priority_change: 'task_runtime_update',
};

const cut = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT).toWellFormed()}… [${text.length} characters]`;
