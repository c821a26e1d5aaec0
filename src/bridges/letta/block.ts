import type { Fact } from '../../contract/fact.ts';
import { exitCodeOf, isTaskOver, type Task } from '../../contract/task.ts';
import { taskEventOf } from '../../contract/task-events.ts';

/** What a task is called in its block. */
export type BlockStatus = 'pending' | 'running' | 'paused' | 'completed' | 'timeout' | 'failed' | 'cancelled';

type BlockEvent = {
  readonly timestamp: number;
  readonly type: string;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
};
type Artifact = {
  readonly timestamp: number;
  readonly type: 'output';
  readonly name: string;
  readonly content: string;
};

export type BlockLimits = { readonly maxLength: number; readonly maxEvents: number };

/** A task as its agent is shown it. */
export type Shown = {
  readonly task: Task;
  /** Its request stands still. */
  readonly isPaused: boolean;
  /** What the task and the agent are called there. */
  readonly name: string;
  readonly agent: string;
  /** The Matrix room that shows it too; null if none does. */
  readonly roomId: string | null;
};

export function blockStatus({ task: { state, failure }, isPaused }: Pick<Shown, 'task' | 'isPaused'>): BlockStatus {
  if (isPaused && !isTaskOver(state)) return 'paused';
  switch (state) {
    case 'blocked':
    case 'ready':
    case 'deferred':
    case 'assigned':
      return 'pending';
    case 'working':
    case 'verifying':
    case 'waiting':
      return 'running';
    case 'done':
      return 'completed';
    case 'cancelled':
      return 'cancelled';
    case 'failed':
      return failure?.class === 'timeout' ? 'timeout' : 'failed';
    default:
      return state satisfies never;
  }
}

/** Texts are not cut below it. */
const SHORTEST = 100;

/**
 * The value of a task's memory block: always whole JSON of at most `maxLength` characters. What does not fit is cut in this
 * order: outputs, the description, the texts of events, all but the newest event.
 */
export function blockValue(shown: Shown, facts: readonly Fact[], limits: BlockLimits): string {
  const { task } = shown;
  const all = facts.flatMap((fact) => eventOf(fact, shown));
  const events = pruned(all, limits.maxEvents);
  const artifacts = artifactsOf(task);
  const whole = { events, artifacts, description: task.description };
  const texts = [
    whole.description,
    ...artifacts.map(({ content }) => content),
    ...events.map(({ message }) => message),
  ];
  const longest = Math.max(SHORTEST, ...texts.map(({ length }) => length));
  const shapes = [
    (max: number) => ({ ...whole, artifacts: artifacts.map((one) => ({ ...one, content: cut(one.content, max) })) }),
    (max: number) => ({ events, artifacts: [], description: cut(task.description, max) }),
    (max: number) => ({
      events: events.map((one) => ({ ...one, message: cut(one.message, max) })),
      ...{ artifacts: [], description: '' },
    }),
    (max: number) => ({
      events: events.slice(-1).map((one) => ({ ...one, message: cut(one.message, max) })),
      ...{ artifacts: [], description: '' },
    }),
  ];
  for (const shape of shapes) {
    for (let max = longest; max >= SHORTEST; max = Math.floor(max / 2)) {
      const text = encode(shown, shape(max));
      if (text.length <= limits.maxLength) return text;
    }
  }
  return smallestBlock(shown);
}

/** Nothing but the state: for a server that takes less than was asked for. */
export const smallestBlock = (shown: Shown): string => encode(shown, { events: [], artifacts: [], description: '' });

function encode(
  shown: Shown,
  content: {
    readonly events: readonly BlockEvent[];
    readonly artifacts: readonly Artifact[];
    readonly description: string;
  },
): string {
  return JSON.stringify({
    version: '1.0.0',
    task_id: shown.name,
    agent_id: shown.agent,
    status: blockStatus(shown),
    created_at: shown.task.createdAt,
    updated_at: shown.task.updatedAt,
    events: content.events,
    artifacts: content.artifacts,
    metadata: { task_description: content.description },
  });
}

/** Head and tail stay. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const half = Math.floor(max / 2);
  const mark = `… [truncated: ${text.length - 2 * half} of ${text.length} characters; get_task_history has all] …`;
  return `${text.slice(0, half)}${mark}${text.slice(text.length - half)}`;
}

function pruned(events: readonly BlockEvent[], max: number): readonly BlockEvent[] {
  if (events.length <= max) return events;
  const kept = events.slice(-max);
  const message = `[System: Pruned ${events.length - max} older events to stay within ${max} event limit]`;
  return [{ timestamp: kept[0]?.timestamp ?? 0, type: 'task_progress', message }, ...kept];
}

function artifactsOf({ result, endedAt, updatedAt }: Task): readonly Artifact[] {
  if (result === null) return [];
  const files = result.filesChanged.map(({ status, path }) => `${status} ${path}`).join('\n');
  const timestamp = endedAt ?? updatedAt;
  const made = { timestamp, type: 'output', name: 'execution_output', content: result.summary } as const;
  return files === '' ? [made] : [made, { timestamp, type: 'output', name: 'files_changed', content: files }];
}

/** Milestones only. */
function eventOf(fact: Fact, shown: Shown): readonly BlockEvent[] {
  const event = milestoneOf(fact, shown);
  if (event === null) return [];
  const [type, message, data] = event;
  return [{ timestamp: fact.at, type, message, ...(data && { data }) }];
}

type Milestone = readonly [type: string, message: string, data?: Readonly<Record<string, unknown>>];

function milestoneOf(fact: Fact, shown: Shown): Milestone | null {
  switch (fact.kind) {
    case 'task.changed':
      return fact.data.from === fact.data.to ? null : moveOf(fact.data.row, fact.data.from, shown);
    case 'request.changed': {
      const event = taskEventOf(fact);
      return event?.type === 'task_paused' || event?.type === 'task_resumed' ? [event.type, event.message] : null;
    }
    case 'approval.changed':
      return fact.data.from === null ? ['task_progress', `Waits for an answer: ${fact.data.row.id}`] : null;
    case 'check.ran': {
      const { text, isMet } = fact.data.check;
      return ['task_progress', `${isMet === null ? 'Not checked' : isMet ? 'Met' : 'Not met'}: ${text}`];
    }
    default:
      return null;
  }
}

function moveOf(row: Task, from: string | null, { roomId }: Shown): Milestone | null {
  const { state, attempts, agent, title, cause, failure, result } = row;
  const room = roomId === null ? {} : { matrix_room_id: roomId };
  if (state === 'working' && from === 'assigned') {
    return [attempts <= 1 ? 'task_started' : 'task_resumed', `${agent} works on ${title}`, room];
  }
  if (state === 'waiting') return ['task_progress', `Waits for a person: ${cause ?? ''}`];
  if (!isTaskOver(state)) return null;
  const exitCode = exitCodeOf(row);
  const data = {
    ...(exitCode !== null && { exit_code: exitCode }),
    ...{ duration_ms: (row.endedAt ?? row.updatedAt) - row.createdAt, ...room },
  };
  const type = `task_${blockStatus({ task: row, isPaused: false })}`;
  return [type, failure?.message ?? result?.summary ?? cause ?? state, data];
}
