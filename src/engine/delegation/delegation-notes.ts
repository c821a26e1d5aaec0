import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Approval, Decision } from '../../contract/approval.ts';
import type { Caller } from '../../contract/caller.ts';
import type { NoteType } from '../../contract/delegation.ts';
import { AppError } from '../../contract/errors.ts';
import type { MessageMode } from '../../contract/message.ts';
import type { Request } from '../../contract/request.ts';
import { SCOPES_THAT_SATISFY } from '../../contract/shapes.ts';
import type { Task } from '../../contract/task.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { sendMessage } from '../messages/post.ts';
import type { Parts } from '../parts.ts';

type Input = ParsedInputOf<'delegations.message'>;
type Output = OutputOf<'delegations.message'>;

/** Messages of one task that may wait to be taken. */
const MAX_WAITING = 500;

const MODE_OF: Readonly<Partial<Record<NoteType, MessageMode>>> = { correction: 'steer', requirement_change: 'steer' };

/** Sends what the caller says to the task's agent, whether it runs yet or not. @throws AppError `overloaded` */
export function note(parts: Parts, request: Request, input: Input, caller: Caller): Output {
  const { store } = parts;
  const [task] = store.read.tasks.list({ requestId: request.id });
  if (!task || task.agent === null) throw new AppError('internal', `${request.id} was delegated without an agent`);
  if (store.read.messages.count({ to: task.agent, state: 'queued' }) >= MAX_WAITING) {
    throw new AppError('overloaded', `${MAX_WAITING} messages wait for this task already`);
  }
  const mode = MODE_OF[input.noteType] ?? 'next-turn';
  const sent = sendMessage(parts, { to: task.agent, text: `[${input.noteType}] ${input.text}`, mode }, caller);
  store.commit((tx) => {
    record(tx, request, task, input, sent.id, caller);
    const { priority } = input.metadata;
    const isMoved = input.noteType === 'priority_change' && Number.isInteger(priority) && task.attemptId === null;
    if (isMoved && Number(priority) >= 0 && Number(priority) <= 9) {
      tx.tasks.update(task.id, { priority: Number(priority) }, { actor: caller.actor, cause: 'priority changed' });
    }
  });
  return { messageId: sent.id, timestamp: sent.createdAt, delivery: 'queued', mode: sent.mode, approvalId: null };
}

function record(
  tx: Parameters<Parameters<Parts['store']['commit']>[0]>[0],
  request: Request,
  task: Task,
  { noteType, text, metadata }: Input,
  messageId: string,
  { actor }: Caller,
): void {
  const subject = { projectId: request.projectId, requestId: request.id, taskId: task.id, agent: task.agent };
  tx.record('delegation.message', { messageId, noteType, text, metadata }, subject, actor);
}

/**
 * Answers the open approval: the only one, or the one that is named. Null if none is open or no decision can be read:
 * then nothing is approved, and the words go to the agent as any other.
 * @throws AppError `forbidden` for a token that may not approve
 */
export function answerNoted(
  parts: Parts,
  approvals: Approvals,
  request: Request,
  input: Input,
  caller: Caller,
): Output | null {
  const pending = parts.store.read.approvals.list({ requestId: request.id, state: 'pending' });
  const { approval_id: named } = input.metadata;
  const approval =
    named === undefined ? (pending.length === 1 ? pending[0] : undefined) : pending.find(({ id }) => id === named);
  const decision = approval && decisionOf(approval, input);
  if (!approval || !decision) return null;
  if (!SCOPES_THAT_SATISFY.approve.includes(caller.scope)) {
    throw new AppError('forbidden', `the token has the scope ${caller.scope}; to answer approvals: approve or admin`);
  }
  const answered = approvals.decide(approval.id, decision, caller);
  const [task] = parts.store.read.tasks.list({ requestId: request.id });
  if (task) parts.store.commit((tx) => record(tx, request, task, input, answered.id, caller));
  return {
    messageId: answered.id,
    timestamp: answered.updatedAt,
    delivery: 'delivered',
    mode: 'steer',
    approvalId: answered.id,
  };
}

const YES = /^(approve|approved|allow|allowed|yes)\b/i;
const NO = /^(reject|rejected|deny|denied|no)\b/i;

function decisionOf({ subject }: Approval, { text, metadata }: Input): Decision | null {
  const said = metadata.decision;
  if (said === 'deny' || (said === undefined && NO.test(text))) return { type: 'deny', reason: text };
  if (subject.type === 'question') return { type: 'answer', answers: subject.questions.map(() => [text]) };
  if (said === 'once' || said === 'session') return { type: 'allow', scope: said, expiresAt: null };
  return said === undefined && YES.test(text) ? { type: 'allow', scope: 'once', expiresAt: null } : null;
}
