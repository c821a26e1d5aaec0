import { newId } from '../../base/ids.ts';
import type { Approval } from '../../contract/approval.ts';
import type { BackendId, TaskId } from '../../contract/ids.ts';
import type { Task } from '../../contract/task.ts';
import type { Transaction } from '../../store/store.ts';
import { raise } from '../budget/budget-raises.ts';
import type { Parts } from '../parts.ts';
import { placementOf } from '../scheduling/roles.ts';
import { pendingApproval } from './approval-row.ts';

/** Approvals of Gantry's own decisions: no session waits for the answer, and none takes it along when it ends. */
const OWN = 'gantry:';
/** Nobody is hurried; at the end it is as if nobody had agreed. */
const LIMIT_MS = 7 * 86_400_000;
/** After a no the task tries again as it was. */
const AGAIN_MS = 300_000;

export const isProposal = ({ nativeId }: Pick<Approval, 'nativeId'>): boolean => nativeId.startsWith(OWN);

/** A person is asked whether another backend may take a task, or whether a limit may be raised; the task waits for that. */
export function propose(
  parts: Parts,
  tx: Transaction,
  task: Task,
  what: {
    readonly type: 'fallback' | 'budget';
    readonly key: string;
    readonly pattern: string;
    readonly cause: string;
  },
): Approval {
  const now = parts.clock.now();
  const nativeId = `${OWN}${what.type}:${what.key}`;
  const open = tx.approvals.list({ taskId: task.id, state: 'pending' }).find((a) => a.nativeId === nativeId);
  if (open) return open;
  const call = { tool: what.type, patterns: [what.pattern], command: null, diff: null };
  const asked = {
    id: newId('apr', now),
    subject: { type: 'permission' as const, call },
    sessionId: task.attemptId === null ? null : tx.attempts.need(task.attemptId).sessionId,
    attemptId: task.attemptId,
    taskId: task.id,
    requestId: task.requestId,
    agent: task.agent,
    backend: task.backend,
    project: tx.projects.need(task.projectId).name,
    nativeId,
    isFromChild: false,
    cause: what.cause,
  };
  const row = pendingApproval(asked, now, LIMIT_MS);
  return tx.approvals.insert(row, { actor: 'gantry', cause: 'waits for a person' });
}

/** Carries out what was decided, in the transaction that writes the decision down. */
export function carryOut(parts: Pick<Parts, 'clock' | 'settingsFor'>, tx: Transaction, approval: Approval): void {
  if (!isProposal(approval) || approval.taskId === null) return;
  const task = tx.tasks.need(approval.taskId);
  const [type, key = ''] = splitKey(approval.nativeId);
  const isAllowed = approval.state === 'allowed';
  const meta = { actor: approval.decidedBy ?? 'gantry', cause: approval.cause };
  if (isAllowed && type === 'budget') raise(tx, key);
  if (task.state !== 'deferred') return;
  if (!isAllowed) {
    tx.tasks.update(
      task.id,
      { notBefore: parts.clock.now() + AGAIN_MS, cause: `not allowed: ${approval.cause ?? ''}` },
      meta,
    );
    return;
  }
  if (type === 'fallback') giveTo(parts, tx, task, key, approval.cause ?? 'a person agreed');
  tx.tasks.move(task.id, 'deferred', 'ready', { notBefore: null, cause: null }, meta);
}

function splitKey(nativeId: string): [string, string] {
  const rest = nativeId.slice(OWN.length);
  const end = rest.indexOf(':');
  return [rest.slice(0, end), rest.slice(end + 1)];
}

/** The task is another backend's from now on; a fact names both. */
export function giveTo(
  parts: Pick<Parts, 'settingsFor'>,
  tx: Transaction,
  task: Pick<Task, 'id' | 'role' | 'projectId' | 'requestId' | 'backend' | 'title'>,
  backend: BackendId,
  cause: string,
): void {
  const settings = parts.settingsFor(tx.projects.need(task.projectId).path);
  const { model } = placementOf(settings, task.role, { backend });
  const subject = { projectId: task.projectId, requestId: task.requestId, taskId: task.id as TaskId };
  const text = `${task.title} goes from ${task.backend} to ${backend}: ${cause}`;
  tx.record('notice', { level: 'warning', text }, subject, 'gantry');
  tx.tasks.update(task.id, { backend, model }, { actor: 'gantry', cause: text, subject });
}
