import type { z } from 'zod';
import type { ChildState } from '../../contract/fact.ts';
import { addUsage, NO_USAGE, type Usage } from '../../contract/usage.ts';
import {
  type WireAnswerTokens,
  WireBlock,
  WireControlRequest,
  WireControlResponse,
  WireHookInput,
  WireLifecycle,
  WireMessage,
  WireRateLimit,
  WireResult,
  WireStream,
  WireSystem,
} from './wire.ts';

/** A piece of a message. */
export type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'tool-use'; readonly id: string; readonly name: string; readonly input: unknown }
  | { readonly type: 'tool-result'; readonly id: string; readonly isError: boolean; readonly text: string };

/** The end of one of the program's own turns: not one to one with prompts. */
export type NativeResult = {
  /** The prompts that it answers; empty for a turn that nobody asked for. */
  readonly uuids: readonly string[];
  readonly isError: boolean;
  readonly subtype: string;
  readonly terminalReason: string | null;
  readonly stopReason: string | null;
  readonly text: string;
  readonly errors: readonly string[];
  readonly apiStatus: number | null;
  readonly apiErrorType: string | null;
  /** Since the result before it, sub-agents and cut requests included. */
  readonly usage: Usage;
};

/** A line of the program in our words. `isOwn`: of the session itself, not of one of its sub-agents. */
export type NativeLine =
  | {
      readonly type: 'hook' | 'ask';
      readonly requestId: string;
      readonly tool: string;
      readonly input: unknown;
      readonly isFromChild: boolean;
      /** The sub-agent, by the id of its task; null of the session itself. */
      readonly childId: string | null;
      /** Of a hook: the call in the transcript; null if it is not told. */
      readonly callId: string | null;
    }
  | { readonly type: 'unknown-request'; readonly requestId: string; readonly subtype: string }
  | { readonly type: 'ask-cancelled'; readonly requestId: string }
  | { readonly type: 'answer'; readonly requestId: string; readonly value: unknown; readonly error: string | null }
  | { readonly type: 'lifecycle'; readonly uuid: string; readonly state: z.infer<typeof WireLifecycle>['state'] }
  | { readonly type: 'state'; readonly state: string }
  | { readonly type: 'result'; readonly result: NativeResult }
  | { readonly type: 'blocks'; readonly isOwn: boolean; readonly messageId: string; readonly blocks: readonly Block[] }
  | { readonly type: 'message-opened'; readonly messageId: string }
  | { readonly type: 'part-opened'; readonly index: number; readonly kind: 'text' | 'reasoning' | 'other' }
  | { readonly type: 'delta'; readonly index: number; readonly text: string }
  /** Of one answer of the model, also to a sub-agent. */
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'child'; readonly id: string; readonly title: string }
  /** Of any task: of a sub-agent only if its start was told. */
  | { readonly type: 'task-state'; readonly id: string; readonly state: ChildState }
  | { readonly type: 'compaction'; readonly phase: 'started' | 'ended' }
  | { readonly type: 'retry'; readonly try: number; readonly message: string; readonly delayMs: number }
  | { readonly type: 'limit'; readonly isReached: boolean; readonly resetAt: number | null }
  | { readonly type: 'notice'; readonly level: 'info' | 'warning'; readonly text: string }
  | { readonly type: 'other' };

const OTHER: NativeLine = { type: 'other' };

/**
 * A line of Claude Code's output (2.1.329). What is not known is `other`: new kinds come with every release.
 * @throws ZodError for a known kind of another shape.
 */
export function decode(line: Readonly<Record<string, unknown>>): NativeLine {
  switch (line.type) {
    case 'control_request':
      return requestOf(line);
    case 'control_cancel_request':
      return { type: 'ask-cancelled', requestId: String(line.request_id) };
    case 'control_response': {
      const { response } = WireControlResponse.parse(line);
      const { request_id: requestId } = response;
      if (response.subtype === 'error') return { type: 'answer', requestId, value: null, error: response.error };
      return { type: 'answer', requestId, value: response.response, error: null };
    }
    case 'command_lifecycle': {
      const { command_uuid: uuid, state } = WireLifecycle.parse(line);
      return { type: 'lifecycle', uuid, state };
    }
    case 'result':
      return { type: 'result', result: resultOf(line) };
    case 'assistant':
    case 'user':
      return messageOf(line);
    case 'stream_event':
      return streamOf(line);
    case 'rate_limit_event': {
      const { status, resetsAt } = WireRateLimit.parse(line).rate_limit_info;
      return {
        type: 'limit',
        isReached: status === 'rejected',
        resetAt: resetsAt === undefined ? null : resetsAt * 1_000,
      };
    }
    case 'system':
      return systemOf(WireSystem.parse(line));
    default:
      return OTHER;
  }
}

function requestOf(line: unknown): NativeLine {
  const { request_id: requestId, request } = WireControlRequest.parse(line);
  if (request.subtype === 'can_use_tool') {
    const { tool_name: tool, input, agent_id: childId = null } = request;
    return { type: 'ask', requestId, tool, input, isFromChild: childId !== null, childId, callId: null };
  }
  if (request.subtype !== 'hook_callback') return { type: 'unknown-request', requestId, subtype: request.subtype };
  const hook = WireHookInput.parse(request.input);
  const { tool_name: tool, tool_input: input, agent_id: childId = null, tool_use_id: callId = null } = hook;
  return { type: 'hook', requestId, tool, input, isFromChild: childId !== null, childId, callId };
}

function resultOf(line: unknown): NativeResult {
  const wire = WireResult.parse(line);
  return {
    uuids: wire.user_message_uuids,
    isError: wire.is_error,
    subtype: wire.subtype,
    terminalReason: wire.terminal_reason ?? null,
    stopReason: wire.stop_reason ?? null,
    text: wire.result,
    errors: wire.errors,
    apiStatus: wire.api_error_status ?? null,
    apiErrorType: wire.api_error_type ?? null,
    usage: Object.values(wire.model_usage_since_last_result).map(usageOf).reduce(addUsage, NO_USAGE),
  };
}

/** The program's count of output holds the thinking. */
function usageOf(tokens: z.infer<typeof WireResult>['model_usage_since_last_result'][string]): Usage {
  const reasoning = Math.min(tokens.thinkingTokens ?? 0, tokens.outputTokens);
  return {
    inputTokens: tokens.inputTokens,
    outputTokens: tokens.outputTokens - reasoning,
    reasoningTokens: reasoning,
    cacheReadTokens: tokens.cacheReadInputTokens,
    cacheWriteTokens: tokens.cacheCreationInputTokens,
    costUsd: tokens.costBasis === 'unknown' ? null : tokens.costUSD,
  };
}

/** Of one answer. What it cost only the program's results say, and there the thinking is told apart. */
export const usageOfAnswer = (tokens: WireAnswerTokens): Usage => ({
  inputTokens: tokens.input_tokens,
  outputTokens: tokens.output_tokens,
  reasoningTokens: 0,
  cacheReadTokens: tokens.cache_read_input_tokens,
  cacheWriteTokens: tokens.cache_creation_input_tokens,
  costUsd: null,
});

function messageOf(line: unknown): NativeLine {
  const { message, parent_tool_use_id: parent, isReplay, is_api_error_message: isApiError } = WireMessage.parse(line);
  // The echo of a prompt, and an error that the result tells as well.
  if (isReplay || isApiError || typeof message.content === 'string') return OTHER;
  const isOwn = (parent ?? null) === null;
  return { type: 'blocks', isOwn, messageId: message.id ?? '', blocks: blocksOf(message.content) };
}

/** The known pieces of a message, in the stream or in a transcript. */
export function blocksOf(content: readonly unknown[]): Block[] {
  return content.flatMap((value): Block[] => {
    const block = WireBlock.safeParse(value).data;
    switch (block?.type) {
      case 'text':
        return [{ type: 'text', text: block.text }];
      case 'thinking':
        return block.thinking === '' ? [] : [{ type: 'reasoning', text: block.thinking }];
      case 'tool_use':
        return [{ type: 'tool-use', id: block.id, name: block.name, input: block.input }];
      case 'tool_result':
        return [
          {
            type: 'tool-result',
            id: block.tool_use_id,
            isError: block.is_error ?? false,
            text: plainText(block.content),
          },
        ];
      default:
        return [];
    }
  });
}

/** The text of a content that is a string or pieces. */
function plainText(content: unknown): string {
  if (typeof content === 'string') return content;
  const blocks = Array.isArray(content) ? blocksOf(content) : [];
  return blocks.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
}

function streamOf(line: unknown): NativeLine {
  const { parent_tool_use_id: parent, event } = WireStream.parse(line);
  if (event.type === 'message_delta' && event.usage) return { type: 'usage', usage: usageOfAnswer(event.usage) };
  if ((parent ?? null) !== null) return OTHER;
  const { index = 0, delta } = event;
  switch (event.type) {
    case 'message_start':
      return { type: 'message-opened', messageId: event.message?.id ?? '' };
    case 'content_block_start': {
      const kind = event.content_block?.type;
      return {
        type: 'part-opened',
        index,
        kind: kind === 'text' ? 'text' : kind === 'thinking' ? 'reasoning' : 'other',
      };
    }
    case 'content_block_delta': {
      const text = delta?.text ?? delta?.thinking;
      return text === undefined ? OTHER : { type: 'delta', index, text };
    }
    default:
      return OTHER;
  }
}

const CHILD_STATES: Readonly<Record<string, ChildState>> = {
  running: 'running',
  completed: 'done',
  failed: 'failed',
  stopped: 'stopped',
  killed: 'stopped',
};

function taskState(id: string, status: string): NativeLine {
  const state = CHILD_STATES[status];
  return state === undefined ? OTHER : { type: 'task-state', id, state };
}

function systemOf(line: z.infer<typeof WireSystem>): NativeLine {
  switch (line.subtype) {
    case 'session_state_changed':
      return { type: 'state', state: line.state };
    case 'status':
      if (line.status === 'compacting') return { type: 'compaction', phase: 'started' };
      return (line.compact_result ?? null) === null ? OTHER : { type: 'compaction', phase: 'ended' };
    case 'task_started':
      return line.task_type === 'local_agent' ? { type: 'child', id: line.task_id, title: line.description } : OTHER;
    case 'task_updated':
      return taskState(line.task_id, line.patch.status);
    case 'task_notification':
      return taskState(line.task_id, line.status ?? '');
    case 'api_retry': {
      const status = line.error_status ?? null;
      const message = status === null ? line.error : `${line.error} (status ${status})`;
      return { type: 'retry', try: line.attempt, message, delayMs: line.retry_delay_ms };
    }
    case 'informational':
      return line.content === '' ? OTHER : { type: 'notice', level: 'warning', text: line.content };
    case 'permission_denied':
      return { type: 'notice', level: 'info', text: `${line.tool_name} was denied: ${line.message}` };
    default:
      return OTHER;
  }
}
