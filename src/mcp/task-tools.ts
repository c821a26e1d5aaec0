import { handleOf, isDelegationOver, type NoteType, type NotifyChoice } from '../contract/delegation.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { Isolation } from '../contract/isolation.ts';
import { blockOf, endedAnswer, goingOnAnswer, historyEvent, statusAnswer, summaryOf } from './task-answers.ts';
import { INPUTS, OUTPUTS } from './task-schemas.ts';
import { defineTool, type Tool } from './tool.ts';
import { waitForEnd } from './wait.ts';

const DEFAULT_WAIT_MS = 60_000;
const NOT_CONFIGURED = 'not_configured';

const ping = defineTool({
  name: 'ping',
  description: 'Answers at once.',
  input: INPUTS.ping,
  output: OUTPUTS.ping,
  isReadOnly: true,
  isCompact: true,
  run: async () => ({ status: 'ok', timestamp: Date.now() }),
});

const health = defineTool({
  name: 'health',
  description: 'Whether tasks can be taken, how many run and wait, and what this server depends on.',
  input: INPUTS.health,
  output: OUTPUTS.health,
  isReadOnly: true,
  run: async (_, { client, version }) => {
    const load = await client.call('delegations.load', {});
    return {
      status: load.status,
      timestamp: Date.now(),
      version,
      environment: {
        letta_api_url: load.lettaUrl ?? NOT_CONFIGURED,
        runner_image: load.image ?? NOT_CONFIGURED,
        mcp_port: new URL(client.url).port,
      },
      metrics: { active_tasks: load.active, can_accept_task: load.canAccept, queued_tasks: load.queued },
      dependencies: load.dependencies,
    };
  },
});

const execute = defineTool({
  name: 'opencode_execute_task',
  description:
    'Hands a task to a coding agent, which works in a workspace of its own. Answers with a task_id; with sync it waits for the result.',
  input: INPUTS.execute,
  output: OUTPUTS.execute,
  isReadOnly: false,
  run: async (input, context) => {
    const { isNew, view } = await context.client.call('delegations.submit', {
      callerId: input.agent_id,
      description: input.task_description,
      key: input.idempotency_key,
      project: input.project,
      backend: input.backend,
      role: input.role,
      isolation: input.isolation as Isolation | undefined,
      model: input.model,
      timeoutMs: input.timeout_ms,
      queueTimeoutMs: input.queue_timeout_ms,
      priority: input.priority,
      observers: input.observers,
      notify: input.notify as NotifyChoice | undefined,
      isSync: input.sync,
    });
    if (input.sync && !context.isTask) {
      const last = await waitForEnd(context, view.id, input.wait_ms ?? DEFAULT_WAIT_MS, view);
      return isDelegationOver(last.status) ? endedAnswer(last) : goingOnAnswer(last);
    }
    const message = isNew ? 'Task queued for execution' : 'Task already exists (idempotency key match)';
    return {
      task_id: view.id,
      status: isNew ? 'queued' : view.status,
      workspace_block_id: blockOf(view),
      message,
    };
  },
});

const status = defineTool({
  name: 'get_task_status',
  description: 'The state of a task, its newest events, what it waits for, and its result.',
  input: INPUTS.status,
  output: OUTPUTS.status,
  isReadOnly: true,
  run: async ({ task_id: id }, { client }) => {
    const { view, events } = await client.call('delegations.get', { id });
    return statusAnswer(view, events);
  },
});

const message = defineTool({
  name: 'send_task_message',
  description: 'Tells a queued, running or paused task something. Of type approval it answers what the task asks.',
  input: INPUTS.message,
  output: OUTPUTS.message,
  isReadOnly: false,
  run: async (input, { client }) => {
    const sent = await client.call('delegations.message', {
      id: input.task_id,
      text: input.message,
      noteType: input.message_type as NoteType,
      metadata: (input.metadata ?? {}) as Record<string, unknown>,
    });
    return {
      task_id: input.task_id,
      message_id: sent.messageId,
      timestamp: sent.timestamp,
      delivery: sent.delivery,
      mode: sent.mode,
      approval_id: sent.approvalId ?? undefined,
    };
  },
});

const control = defineTool({
  name: 'send_task_control',
  description: 'Cancels, pauses or resumes a task. Answers when that has taken effect.',
  input: INPUTS.control,
  output: OUTPUTS.control,
  isReadOnly: false,
  run: async (input, { client }) => {
    const signal = input.control as 'cancel' | 'pause' | 'resume';
    const done = await client.call('delegations.control', {
      id: input.task_id,
      control: signal,
      reason: input.reason || undefined,
    });
    return {
      channel_id: done.roomId ?? undefined,
      task_id: input.task_id,
      control: signal,
      previous_status: done.previous,
      new_status: done.status,
      stopped: signal === 'cancel' ? done.isStopped : undefined,
    };
  },
});

const history = defineTool({
  name: 'get_task_history',
  description: 'Everything that happened to a task, oldest first; with include_artifacts also its full output.',
  input: INPUTS.history,
  output: OUTPUTS.history,
  isReadOnly: true,
  run: async (input, { client }) => {
    const offset = input.events_offset;
    const { view, events, total, artifacts } = await client.call('delegations.history', {
      id: input.task_id,
      limit: input.events_limit,
      offset,
      withArtifacts: String(input.include_artifacts),
    });
    return {
      task_id: view.id,
      status: view.status,
      created_at: view.createdAt,
      completed_at: view.endedAt ?? undefined,
      events: events.map(historyEvent),
      events_total: total,
      events_returned: events.length,
      events_offset: offset,
      has_more_events: offset + events.length < total && events.length > 0,
      artifacts: input.include_artifacts ? artifacts : undefined,
    };
  },
});

const files = defineTool({
  name: 'get_task_files',
  description: 'The files that a task has changed, during and after its run.',
  input: INPUTS.files,
  output: OUTPUTS.files,
  isReadOnly: true,
  run: async ({ task_id: id, path = '/' }, { client }) => {
    const { items } = await client.call('delegations.files', { id, path });
    return { task_id: id, path, files: items.map((item) => item.path), entries: items };
  },
});

const file = defineTool({
  name: 'read_task_file',
  description: "A file of a task's workspace, during and after its run. Text as it is, anything else as base64.",
  input: INPUTS.file,
  output: OUTPUTS.file,
  isReadOnly: true,
  run: async ({ task_id: id, file_path: path }, { client }) => {
    try {
      const { content, size, encoding, sha256 } = await client.call('delegations.file', { id, path });
      return { task_id: id, file_path: path, content, size, encoding, sha256 };
    } catch (error) {
      throw unreadable(toAppError(error), path);
    }
  },
});

/** Why a file is not read, in the form that callers know. */
function unreadable(error: AppError, path: string): AppError {
  const { code, message, details } = error;
  if (code === 'too_large') return new AppError(code, `Failed to read file: ${message}`);
  const isOfFile = code === 'path_refused' || (code === 'not_found' && details?.task === undefined);
  if (!isOfFile) return error;
  return new AppError(code, `Failed to read file: ${message}: ${path}`, { details: { file: path } });
}

const list = defineTool({
  name: 'list_tasks',
  description: 'Tasks, newest first.',
  input: INPUTS.list,
  output: OUTPUTS.list,
  isReadOnly: true,
  run: async ({ agent_id: callerId, status: wanted, limit, cursor }, { client }) => {
    const input = { callerId, status: wanted as 'queued' | undefined, limit, cursor };
    const { items, nextCursor } = await client.call('delegations.list', input);
    return { tasks: items.map(summaryOf), next_cursor: nextCursor ?? undefined };
  },
});

const wait = defineTool({
  name: 'wait_task',
  description: 'Waits for the end of a task. What happens meanwhile comes as progress.',
  input: INPUTS.wait,
  output: OUTPUTS.execute,
  isReadOnly: true,
  run: async ({ task_id: id, wait_ms: waitMs }, context) => {
    const view = await waitForEnd(context, id, waitMs ?? DEFAULT_WAIT_MS);
    return isDelegationOver(view.status) ? endedAnswer(view) : goingOnAnswer(view);
  },
});

const approvals = defineTool({
  name: 'list_approvals',
  description: 'What tasks wait for: permissions and questions.',
  input: INPUTS.approvals,
  output: OUTPUTS.approvals,
  isReadOnly: true,
  run: async ({ task_id: id }, { client }) => {
    const { items } = await client.call('delegations.approvals', { id });
    return {
      approvals: items.map(({ id: approval, subject, requestId, createdAt, expiresAt }) => ({
        approval_id: approval,
        task_id: requestId === null ? undefined : handleOf(requestId),
        subject,
        created_at: createdAt,
        expires_at: expiresAt,
      })),
    };
  },
});

const answer = defineTool({
  name: 'answer_approval',
  description: 'Allows or denies what a task asks for, or answers its question.',
  input: INPUTS.answer,
  output: OUTPUTS.answer,
  isReadOnly: false,
  run: async (input, { client }) => {
    const settled = await client.call('delegations.decide', {
      approvalId: input.approval_id as `apr_${string}`,
      decision: input.decision as 'once' | 'session' | 'deny',
      message: input.message,
      answers: input.answers,
    });
    return { approval_id: settled.id, status: settled.state };
  },
});

const diff = defineTool({
  name: 'get_task_diff',
  description: 'What a task has changed, as a unified diff, during and after its run.',
  input: INPUTS.diff,
  output: OUTPUTS.diff,
  isReadOnly: true,
  run: async ({ task_id: id }, { client }) => {
    const { diff: text, isTruncated } = await client.call('delegations.diff', { id });
    return { task_id: id, diff: text, is_truncated: isTruncated };
  },
});

/** The task server: nine tools whose names, arguments and answers are a contract, and what they leave out. */
export const TASK_TOOLS: readonly Tool[] = [
  ping,
  health,
  execute,
  status,
  message,
  control,
  history,
  files,
  file,
  list,
  wait,
  approvals,
  answer,
  diff,
];
