import { z } from 'zod';
import { CallerId, DelegationStatus, NoteType, NotifyChoice } from '../contract/delegation.ts';
import { Isolation } from '../contract/isolation.ts';
import { Usage } from '../contract/usage.ts';

const DAY_MS = 86_400_000;
const MAX_WAIT_MS = 600_000;

/** A plain number in the listed schema; a whole one of these bounds when it is called. */
const whole = (min: number, max: number, unit = '') =>
  z.number().refine((value) => Number.isInteger(value) && value >= min && value <= max, {
    error: `expected a whole number${unit} from ${min} to ${max}`,
  });
const ms = (min: number, max: number) => whole(min, max, ' of milliseconds');
const text = z.string();
const oneOf = (values: readonly string[]) => z.string().meta({ enum: [...values] });

/** A listed string with the caller's form checked beside it. */
const agentId = text
  .refine((value) => CallerId.safeParse(value).success, {
    error: 'expected 1 to 128 letters, digits, underscores or dashes',
  })
  .describe('Who asks: letters, digits, _ and -. Tasks are kept apart by it.');
const taskId = text.describe('As opencode_execute_task gave it');
const waitMs = ms(0, MAX_WAIT_MS).describe(`How long to wait, 0 to ${MAX_WAIT_MS}; default 60000`);
const listed = (values: readonly string[]) =>
  oneOf(values).refine((value) => values.includes(value), { error: `expected one of: ${values.join(', ')}` });

const Metadata = z.record(z.string(), z.unknown()).optional();

export const INPUTS = {
  ping: z.object({}),
  health: z.object({}),
  execute: z.object({
    agent_id: agentId,
    task_description: text.refine((value) => value.trim() !== '', { error: 'expected words' }),
    idempotency_key: text.optional().describe('The same key again gives the same task'),
    timeout_ms: ms(1, DAY_MS).optional().describe('Counts from the start of the work; default 300000'),
    sync: z.boolean().default(false).describe('Wait for the result in this call'),
    observers: z.array(text).optional(),
    project: text.optional().describe('A registered project or an absolute path; without it the workspace is empty'),
    backend: text.optional().describe('opencode, or another that Gantry has'),
    role: text.optional(),
    isolation: listed(Isolation.options).optional().describe('What the agent runs behind; default: as configured'),
    model: text.optional().describe('provider/model'),
    priority: whole(0, 9).optional().describe('0 is done first, 9 last; default 2'),
    queue_timeout_ms: ms(1, DAY_MS).optional().describe('Given up if it was not begun by then; default 3600000'),
    wait_ms: waitMs.optional(),
    notify: listed(NotifyChoice.options).optional(),
  }),
  status: z.object({ task_id: taskId }),
  message: z.object({
    task_id: taskId,
    message: text.refine((value) => value !== '', { error: 'expected words' }),
    message_type: listed(NoteType.options).default('update'),
    metadata: z
      .unknown()
      .refine((value) => Metadata.safeParse(value).success, { error: 'expected an object' })
      .meta({ type: 'object' })
      .optional(),
  }),
  control: z.object({
    task_id: taskId,
    control: listed(['cancel', 'pause', 'resume']),
    reason: text.optional(),
  }),
  history: z.object({
    task_id: taskId,
    include_artifacts: z.boolean().default(false),
    events_limit: whole(-1, 1_000_000).default(100).describe('-1: all'),
    events_offset: whole(0, 1_000_000_000).default(0),
  }),
  files: z.object({ task_id: taskId, path: text.optional().describe('Only files whose path begins so') }),
  file: z.object({ task_id: taskId, file_path: text.describe('Relative to the workspace') }),
  list: z.object({
    agent_id: agentId.optional(),
    status: listed(DelegationStatus.options).optional(),
    limit: whole(1, 200).optional(),
    cursor: text.optional(),
  }),
  wait: z.object({ task_id: taskId, wait_ms: waitMs.optional() }),
  approvals: z.object({ task_id: taskId.optional() }),
  answer: z.object({
    approval_id: text,
    decision: listed(['once', 'session', 'deny']),
    message: text.optional().describe('Told to the agent with a denial'),
    answers: z.array(z.array(text)).optional().describe('For a question: one list of labels or texts per question'),
  }),
  diff: z.object({ task_id: taskId }),
} as const;

const taskEvent = z.looseObject({ timestamp: z.number(), type: z.string(), message: z.string() });
const warnings = z.array(z.string()).optional();
const status = z.string();
const task = { task_id: z.string(), warnings };
const block = { workspace_block_id: z.string().optional() };

export const OUTPUTS = {
  ping: z.looseObject({ status: z.string(), timestamp: z.number(), warnings }),
  health: z.looseObject({
    status,
    timestamp: z.number(),
    version: z.string(),
    environment: z.record(z.string(), z.string()),
    metrics: z.looseObject({ active_tasks: z.number(), can_accept_task: z.boolean(), queued_tasks: z.number() }),
    dependencies: z.record(z.string(), z.unknown()),
    warnings,
  }),
  execute: z.looseObject({
    ...task,
    ...block,
    status,
    message: z.string().optional(),
    duration_ms: z.number().optional(),
    exit_code: z.number().optional(),
    output: z.string().optional(),
    error: z.string().optional(),
    timeout_hint: z.string().optional(),
  }),
  status: z.looseObject({
    ...task,
    ...block,
    status,
    created_at: z.number(),
    started_at: z.number().optional(),
    completed_at: z.number().optional(),
    agent_id: z.string(),
    recent_events: z.array(taskEvent),
    output: z.string().optional(),
    error: z.string().optional(),
    duration_ms: z.number().optional(),
    exit_code: z.number().optional(),
    blocked_on: z.looseObject({ kind: z.string(), since: z.number() }).optional(),
    queue_position: z.number().optional(),
    usage: Usage.loose().optional(),
    projections: z.looseObject({
      letta: z.looseObject({ state: z.string(), block_label: z.string(), block_id: z.string().optional() }).optional(),
      matrix: z.looseObject({ state: z.string(), room_id: z.string().optional() }).optional(),
    }),
  }),
  message: z.looseObject({ ...task, message_id: z.string(), timestamp: z.number(), delivery: z.string() }),
  control: z.looseObject({
    ...task,
    channel_id: z.string().optional(),
    control: z.string(),
    previous_status: status,
    new_status: status,
    stopped: z.boolean().optional(),
  }),
  history: z.looseObject({
    ...task,
    status,
    created_at: z.number(),
    completed_at: z.number().optional(),
    events: z.array(taskEvent),
    events_total: z.number(),
    events_returned: z.number(),
    events_offset: z.number(),
    has_more_events: z.boolean(),
    artifacts: z.array(z.looseObject({ type: z.string(), name: z.string(), content: z.string() })).optional(),
  }),
  files: z.looseObject({
    ...task,
    path: z.string(),
    files: z.array(z.string()),
    entries: z.array(z.looseObject({ path: z.string(), status })),
  }),
  file: z.looseObject({
    ...task,
    file_path: z.string(),
    content: z.string(),
    size: z.number(),
    encoding: z.string(),
    sha256: z.string(),
  }),
  list: z.looseObject({
    tasks: z.array(z.looseObject({ task_id: z.string(), status, agent_id: z.string(), created_at: z.number() })),
    next_cursor: z.string().optional(),
    warnings,
  }),
  approvals: z.looseObject({ approvals: z.array(z.looseObject({ approval_id: z.string() })), warnings }),
  answer: z.looseObject({ approval_id: z.string(), status, warnings }),
  diff: z.looseObject({ ...task, diff: z.string(), is_truncated: z.boolean() }),
} as const;

/** As it is listed. */
export function jsonSchemaOf(
  schema: z.ZodObject,
  io: 'input' | 'output',
): Record<string, unknown> & { type: 'object' } {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' });
  return { ...json, type: 'object' };
}
