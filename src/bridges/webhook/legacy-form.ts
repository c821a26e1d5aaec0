import type { Fact, FactKind } from '../../contract/fact.ts';
import { isRequestOver, type Request } from '../../contract/request.ts';
import type { Task } from '../../contract/task.ts';
import { LEGACY_EVENTS, type LegacyEvent } from '../../contract/webhook.ts';
import type { Form, Names } from './form.ts';
import { laneOf } from './gantry-form.ts';

const KINDS: readonly FactKind[] = [
  'request.changed',
  'task.changed',
  'agent.changed',
  'message.changed',
  'tool.started',
  'tool.ended',
];
/** Of an input or an output of a tool. */
const MAX_TEXT_LENGTH = 20_000;

type Event = { readonly type: LegacyEvent; readonly payload: Readonly<Record<string, unknown>> };

/** Events by their older names: `{source_app, session_id, hook_event_type, payload}`; a request is one session. */
export function legacyForm(wanted: readonly string[] | undefined, useByMs: number, names: Names): Form {
  const told = new Set<string>(wanted ?? LEGACY_EVENTS);
  return {
    kinds: KINDS,
    entries: (fact) =>
      eventsOf(fact).flatMap((event, i) =>
        told.has(event.type)
          ? [
              {
                key: `${fact.seq}.${i}`,
                lane: laneOf(fact),
                payload: {
                  source_app: names.project(fact.projectId) ?? 'gantry',
                  session_id: laneOf(fact),
                  hook_event_type: event.type,
                  payload: event.payload,
                },
                expiresAt: fact.at + useByMs,
              },
            ]
          : [],
      ),
    id: ({ key }) => key.replace('.', '-'),
    body: (payload) => payload,
  };
}

function eventsOf(fact: Fact): readonly Event[] {
  switch (fact.kind) {
    case 'request.changed':
      return requestEvents(fact.data.from, fact.data.row);
    case 'task.changed':
      return taskEvents(fact.data.from, fact.data.row, fact.actor);
    case 'agent.changed': {
      const { from, to, row } = fact.data;
      const payload = { agent_id: row.id, who: fact.actor };
      if (from === null) return [{ type: 'AgentCreated', payload }];
      return from !== to && to === 'stopped' ? [{ type: 'AgentDeleted', payload }] : [];
    }
    case 'message.changed': {
      const { from, row } = fact.data;
      const payload = { command_id: row.id, agent_id: row.to, who: row.from };
      return from === null ? [{ type: 'CommandQueued', payload }] : [];
    }
    case 'tool.started': {
      const { callId, tool, title, input } = fact.data;
      return [{ type: 'ToolRequested', payload: { call_id: callId, tool, title, input: cutInput(input) } }];
    }
    case 'tool.ended': {
      const { callId, tool, title, status, output } = fact.data;
      const success = status === 'completed';
      const payload = { call_id: callId, tool, title, success, output: output.slice(0, MAX_TEXT_LENGTH) };
      return [{ type: success ? 'ToolCompleted' : 'ToolFailed', payload }];
    }
    default:
      return [];
  }
}

const MODE = 'cli';

function requestEvents(from: string | null, row: Request): readonly Event[] {
  if (from === null) {
    return [
      { type: 'SessionStart', payload: { mode: MODE, request: row.text } },
      { type: 'UserPromptSubmit', payload: { message: row.text, prompt: row.text, mode: MODE } },
    ];
  }
  const events: Event[] = [];
  const reason = row.plan?.fallbackDetail ?? (row.plan === null ? row.failure?.message : null) ?? null;
  if (from === 'planning' && row.state !== 'planning' && row.state !== 'paused' && reason !== null) {
    const failed = { task_id: 'planner', success: false, files_modified: [], files_created: [], errors: [reason] };
    events.push({ type: 'TaskFailed', payload: failed });
  }
  if (from !== row.state && isRequestOver(row.state)) {
    const error = row.failure === null ? {} : { error: row.failure.message };
    events.push({ type: 'SessionEnd', payload: { mode: MODE, reason: row.state, ...error } });
  }
  return events;
}

function taskEvents(from: string | null, row: Task, who: string): readonly Event[] {
  const { id: task_id, description, files, agent } = row;
  if (from === null) {
    const success_criteria = row.successCriteria.map(({ text }) => text);
    return [{ type: 'TaskPlanned', payload: { task_id, title: row.title, description, files, success_criteria } }];
  }
  if (from === row.state) return [];
  const changed = row.result?.filesChanged ?? [];
  const paths = (isNew: boolean) =>
    changed.filter(({ status }) => (status === 'added') === isNew).map(({ path }) => path);
  const outcome = { task_id, files_modified: paths(false), files_created: paths(true) };
  switch (row.state) {
    case 'assigned':
      return [{ type: 'TaskAssigned', payload: { task_id, description, worker_id: agent } }];
    case 'done':
      return [{ type: 'TaskCompleted', payload: { ...outcome, success: true, errors: [] } }];
    case 'failed': {
      const errors = [row.failure?.message ?? row.cause ?? 'failed'];
      return [{ type: 'TaskFailed', payload: { ...outcome, success: false, errors } }];
    }
    case 'cancelled':
      return [{ type: 'TaskCancelled', payload: { task_id, who, reason: row.cause } }];
    default:
      return [];
  }
}

/** A large input goes as the beginning of its text. */
function cutInput(input: unknown): unknown {
  const text = JSON.stringify(input) ?? 'null';
  return text.length <= MAX_TEXT_LENGTH ? input : text.slice(0, MAX_TEXT_LENGTH);
}
