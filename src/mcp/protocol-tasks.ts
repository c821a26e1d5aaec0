import {
  type CallToolResult,
  type ClientCapabilities,
  type JSONObject,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  RELATED_TASK_META_KEY,
  type Result,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Client } from '../client/client.ts';
import { isDelegationOver } from '../contract/delegation.ts';
import type { DelegationView } from '../contract/delegation-operations.ts';
import { toAppError } from '../contract/errors.ts';
import { elicitParams, mayAnswer, openForms } from './elicit.ts';
import { hasNoSession } from './peer.ts';
import { takeAnswers } from './person.ts';
import { success } from './results.ts';
import { endedAnswer } from './task-answers.ts';
import type { ToolContext } from './tool.ts';
import { waitForEnd } from './wait.ts';

/** https://github.com/modelcontextprotocol/ext-tasks, 2026-07-28: clients without a session. */
const EXTENSION = 'io.modelcontextprotocol/tasks';
const POLL_MS = 1_000;

/** The tasks of 2025-11-25, which a call asks for, and of the extension, where the server gives one when the client has it. */
export const TASK_CAPABILITIES = {
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
  extensions: { [EXTENSION]: {} },
};

type Parts = {
  readonly client: Client;
  readonly contextOf: (context: ServerContext) => ToolContext;
  readonly capabilities: (context: ServerContext) => ClientCapabilities;
};

/** The one tool that hands a task over. */
export const isHandingOver = (tool: string): boolean => tool === 'opencode_execute_task';

const hasExtension = ({ extensions }: ClientCapabilities): boolean => extensions?.[EXTENSION] !== undefined;

/**
 * Whether the caller follows the task by the protocol.
 * @throws ProtocolError for a tool that hands no task over
 */
export function isWantedAsTask(
  context: ServerContext,
  capabilities: ClientCapabilities,
  tool: string,
  params: { readonly task?: unknown },
): boolean {
  if (hasNoSession(context)) return isHandingOver(tool) && hasExtension(capabilities);
  if (params.task === undefined) return false;
  if (isHandingOver(tool)) return true;
  throw new ProtocolError(ProtocolErrorCode.MethodNotFound, `${tool} cannot be called as a task`);
}

/**
 * What a call is answered with that is followed as a task.
 * @throws ProtocolError where nothing was handed over and the caller can read nothing but a task
 */
export async function asTask(context: ServerContext, parts: Parts, answer: CallToolResult): Promise<CallToolResult> {
  const { task_id: taskId } = (answer.structuredContent ?? {}) as { readonly task_id?: unknown };
  if (typeof taskId === 'string') {
    const task = await taskOf(context, parts, taskId);
    // The library lets no answer of a tool pass without `content`.
    return hasNoSession(context) ? { resultType: 'task', ...task, content: [] } : { task, content: [] };
  }
  if (hasNoSession(context)) return answer;
  const [said] = answer.content;
  throw new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    said?.type === 'text' ? said.text : 'nothing was handed over',
  );
}

/** The same tasks as those of the tools, for clients whose protocol has tasks of its own. */
export function addTasks(server: Server, parts: Parts): void {
  const { client } = parts;
  const One = z.object({ taskId: z.string() });
  const handle = <P>(
    method: string,
    params: z.ZodType<P>,
    era: 'any' | 'sessions' | 'stateless',
    run: (params: P, context: ServerContext) => Promise<Result>,
  ): void =>
    server.setRequestHandler(method, { params }, async (given, context) => {
      const isStateless = hasNoSession(context);
      if (era !== 'any' && isStateless !== (era === 'stateless')) {
        throw new ProtocolError(ProtocolErrorCode.MethodNotFound, 'Method not found');
      }
      if (isStateless && !hasExtension(parts.capabilities(context))) {
        throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [EXTENSION]: {} } } });
      }
      return await told(() => run(given, context));
    });
  handle('tasks/get', One, 'any', async ({ taskId }, context) => await taskOf(context, parts, taskId));
  handle('tasks/result', One, 'sessions', async ({ taskId }, context) => {
    const view = await waitForEnd(parts.contextOf(context), taskId, Number.POSITIVE_INFINITY);
    return { ...success(endedAnswer(view)), _meta: { [RELATED_TASK_META_KEY]: { taskId } } };
  });
  handle('tasks/list', z.object({ cursor: z.string().optional() }), 'sessions', async ({ cursor }) => {
    const { items, nextCursor } = await client.call('delegations.list', { cursor });
    return { tasks: items.map((view) => shown(view, null)), ...(nextCursor !== null && { nextCursor }) };
  });
  handle('tasks/cancel', One, 'any', async ({ taskId }, context) => {
    const before = await client.call('delegations.get', { id: taskId });
    if (isDelegationOver(before.view.status)) {
      if (hasNoSession(context)) return {};
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Task ${taskId} is ${before.view.status} already`);
    }
    await client.call('delegations.control', { id: taskId, control: 'cancel' });
    return hasNoSession(context) ? {} : await taskOf(context, parts, taskId);
  });
  handle('tasks/update', One, 'stateless', async ({ taskId }, context) => {
    await client.call('delegations.get', { id: taskId });
    await takeAnswers(context, client, taskId);
    return {};
  });
}

/** Failures in the words of the protocol. */
async function told<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (thrown instanceof ProtocolError) throw thrown;
    const error = toAppError(thrown);
    const isOfCaller = ['not_found', 'bad_request', 'conflict', 'illegal_move', 'forbidden'].includes(error.code);
    const code = isOfCaller ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(code, error.message, { code: error.code });
  }
}

type Shown = JSONObject & { readonly taskId: string; readonly status: string };

/** A task as the client's version of the protocol has it. */
async function taskOf(context: ServerContext, { client, capabilities }: Parts, taskId: string): Promise<Shown> {
  const { view, events } = await client.call('delegations.get', { id: taskId, limit: 1 });
  const [newest] = events;
  const base = shown(view, newest ?? null);
  const forms = capabilities(context).elicitation ? await formsFor(client, view) : [];
  if (!hasNoSession(context)) return forms.length > 0 ? { ...base, status: 'input_required' } : base;
  const { ttl: ttlMs, pollInterval: pollIntervalMs, ...rest } = base;
  const task = { ...rest, ttlMs, pollIntervalMs };
  if (forms.length > 0) {
    const asked = forms.map((form) => [form.approvalId, { method: 'elicitation/create', params: elicitParams(form) }]);
    return { ...task, status: 'input_required', inputRequests: Object.fromEntries(asked) as JSONObject };
  }
  if (!isDelegationOver(view.status) || view.status === 'cancelled') return task;
  // `failed` is of the protocol's own errors there: that the work failed is a result.
  return { ...task, status: 'completed', result: success(endedAnswer(view)) as JSONObject };
}

/** What the person at this client may be asked now. */
async function formsFor(client: Client, view: DelegationView) {
  const isAsking = view.blockedOn?.kind === 'approval' || view.blockedOn?.kind === 'question';
  if (!isAsking || !(await mayAnswer(client))) return [];
  return await openForms(client, view.id);
}

const iso = (ms: number): string => new Date(ms).toISOString();

const STATUS = {
  queued: 'working',
  running: 'working',
  paused: 'working',
  completed: 'completed',
  failed: 'failed',
  timeout: 'failed',
  cancelled: 'cancelled',
} as const;

function shown(view: DelegationView, newest: { readonly timestamp: number; readonly message: string } | null) {
  const { id, status, createdAt, startedAt, endedAt, blockedOn, error } = view;
  const waits = blockedOn === null ? null : `waits for ${blockedOn.kind}`;
  return {
    taskId: id,
    status: STATUS[status] as string,
    statusMessage: error ?? waits ?? newest?.message ?? status,
    createdAt: iso(createdAt),
    lastUpdatedAt: iso(Math.max(newest?.timestamp ?? 0, endedAt ?? startedAt ?? createdAt)),
    // As long as Gantry keeps the request.
    ttl: null,
    pollInterval: POLL_MS,
  };
}
