import type { TaskEvent } from '../contract/delegation.ts';
import type { DelegationView } from '../contract/delegation-operations.ts';

/** Characters of a final answer that a status shows; the history has all. */
const MAX_OUTPUT = 5_000;

const shown = (text: string): string => text.slice(0, MAX_OUTPUT).toWellFormed();
const known = <T>(value: T | null): T | undefined => value ?? undefined;

export const blockOf = ({ projections }: DelegationView): string | undefined =>
  known(projections.letta?.blockId ?? null);

/** In the words of the tools. */
const projectionsIn = ({ projections: { letta, matrix } }: DelegationView): object => ({
  letta: letta && {
    ...{ state: letta.state, block_label: letta.label, block_id: known(letta.blockId), error: known(letta.error) },
  },
  matrix: matrix && {
    ...{ state: matrix.state, room_id: known(matrix.roomId), event_id: known(matrix.eventId) },
    error: known(matrix.error),
  },
});

const durationOf = ({ startedAt, createdAt, endedAt }: DelegationView): number | undefined =>
  endedAt === null ? undefined : endedAt - (startedAt ?? createdAt);

/** A task that ended while the caller waited. A task that failed is an answer like any other: the call worked. */
export const endedAnswer = (view: DelegationView): object => ({
  task_id: view.id,
  status: view.status,
  workspace_block_id: blockOf(view),
  exit_code: known(view.exitCode),
  duration_ms: durationOf(view) ?? 0,
  output: shown(view.output ?? ''),
  error: known(view.error),
});

export const goingOnAnswer = (view: DelegationView): object => ({
  task_id: view.id,
  status: view.status,
  workspace_block_id: blockOf(view),
  message: 'Task started but execution is taking longer than expected. Use get_task_status to check progress.',
  timeout_hint: 'Response timeout reached, task continues in background',
});

const eventOf = ({ timestamp, type, message }: TaskEvent): object => ({ timestamp, type, message });

export const statusAnswer = (view: DelegationView, events: readonly TaskEvent[]): object => ({
  ...summaryOf(view),
  workspace_block_id: blockOf(view),
  recent_events: events.map(eventOf),
  output: view.output === null ? undefined : shown(view.output),
  error: known(view.error),
  duration_ms: durationOf(view),
  exit_code: known(view.exitCode),
  blocked_on: view.blockedOn ? { ...view.blockedOn, id: known(view.blockedOn.id) } : undefined,
  queue_position: known(view.queuePosition),
  usage: known(view.usage),
  projections: projectionsIn(view),
});

export const summaryOf = (view: DelegationView): object => ({
  task_id: view.id,
  status: view.status,
  created_at: view.createdAt,
  started_at: known(view.startedAt),
  completed_at: known(view.endedAt),
  agent_id: view.callerId,
});

export const historyEvent = (event: TaskEvent): object => ({ ...eventOf(event), seq: event.seq, data: event.data });
