import { z } from 'zod';

/** What Claude Code writes, as far as it is used (measured on 2.1.329): everything else is passed over. */
const text = z.string().catch('');
const parent = z.string().nullish();

export const WireBlock = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), thinking: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.unknown() }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: z.unknown(),
    is_error: z.boolean().nullish(),
  }),
]);

/** A user message may be one text. */
const content = z.union([z.string(), z.array(z.unknown())]);

export const WireMessage = z.object({
  parent_tool_use_id: parent,
  isReplay: z.boolean().optional(),
  is_api_error_message: z.boolean().optional(),
  message: z.object({ id: z.string().optional(), content }),
});

const WireAnswerTokens = z.object({
  input_tokens: z.number().catch(0),
  output_tokens: z.number().catch(0),
  cache_read_input_tokens: z.number().catch(0),
  cache_creation_input_tokens: z.number().catch(0),
});
export type WireAnswerTokens = z.infer<typeof WireAnswerTokens>;

export const WireStream = z.object({
  parent_tool_use_id: parent,
  event: z.object({
    type: z.string(),
    index: z.number().optional(),
    message: z.object({ id: z.string() }).optional(),
    /** Of `message_delta`: of the whole answer. */
    usage: WireAnswerTokens.nullish().catch(null),
    content_block: z.object({ type: z.string() }).optional(),
    delta: z.object({ text: z.string().optional(), thinking: z.string().optional() }).optional(),
  }),
});

const WireTokens = z.object({
  inputTokens: z.number(),
  outputTokens: z.number(),
  thinkingTokens: z.number().optional(),
  cacheReadInputTokens: z.number(),
  cacheCreationInputTokens: z.number(),
  costUSD: z.number(),
  /** `list`: by the price list; `unknown`: the model is not on it, and the cost means nothing. */
  costBasis: z.string().optional(),
});

export const WireResult = z.object({
  subtype: z.string(),
  is_error: z.boolean(),
  terminal_reason: z.string().nullish(),
  stop_reason: z.string().nullish(),
  result: text,
  errors: z.array(z.string()).catch([]),
  api_error_status: z.number().nullish(),
  api_error_type: z.string().nullish(),
  user_message_uuids: z.array(z.string()).catch([]),
  model_usage_since_last_result: z.record(z.string(), WireTokens).catch({}),
});

export const WireControlRequest = z.object({
  request_id: z.string(),
  request: z.object({
    subtype: z.string(),
    /** Of `can_use_tool`; `agent_id` is there in a sub-agent. */
    tool_name: text,
    tool_use_id: text,
    agent_id: z.string().optional(),
    /** Of `hook_callback` an object with the event's own fields. */
    input: z.unknown(),
  }),
});

export const WireHookInput = z.object({
  tool_name: z.string(),
  tool_input: z.unknown(),
  tool_use_id: z.string().optional(),
  agent_id: z.string().optional(),
});

export const WireControlResponse = z.object({
  response: z.union([
    z.object({ subtype: z.literal('success'), request_id: z.string(), response: z.unknown() }),
    z.object({ subtype: z.literal('error'), request_id: z.string(), error: z.string() }),
  ]),
});

export const WireLifecycle = z.object({
  command_uuid: z.string(),
  state: z.enum(['queued', 'started', 'completed', 'cancelled']),
});

export const WireRateLimit = z.object({
  /** `resetsAt` counts seconds since the epoch. From the program's own schema: no server offline sends it. */
  rate_limit_info: z.object({ status: z.string(), resetsAt: z.number().optional() }),
});

export const WireSystem = z.object({
  subtype: z.string(),
  state: text,
  status: z.string().nullish().catch(null),
  compact_result: z.string().nullish(),
  task_id: text,
  task_type: text,
  /** What has changed of a task. */
  patch: z.object({ status: text }).catch({ status: '' }),
  description: text,
  attempt: z.number().catch(0),
  retry_delay_ms: z.number().catch(0),
  error_status: z.number().nullish().catch(null),
  error: text,
  content: text,
  message: text,
  tool_name: text,
});

/** The answer to `initialize`. */
export const WireHello = z.object({
  claude_code_version: z.string(),
  current_permission_mode: z.string(),
  hooks_applied: z.boolean(),
  hook_on_failure_supported: z.boolean(),
});

export const WireMcpStatus = z.object({
  mcpServers: z.array(z.object({ name: z.string(), status: z.string(), error: z.string().optional() })),
});

/** A line of a transcript file. */
export const WireTranscriptLine = z.object({
  type: z.string(),
  uuid: z.string().optional(),
  cwd: z.string().optional(),
  timestamp: z.string().optional(),
  isSidechain: z.boolean().optional(),
  isMeta: z.boolean().optional(),
  /** There if the message came from outside of the program. */
  promptSource: z.string().optional(),
  isApiErrorMessage: z.boolean().optional(),
  apiErrorStatus: z.number().nullish(),
  apiErrorType: z.string().nullish(),
  message: z
    .object({
      id: z.string().optional(),
      model: z.string().optional(),
      content,
      stop_reason: z.string().nullish(),
      usage: WireAnswerTokens.nullish(),
    })
    .optional(),
  attachment: z.object({ type: z.string(), source_uuid: z.string().optional() }).optional(),
});
export type WireTranscriptLine = z.infer<typeof WireTranscriptLine>;
