import { z } from 'zod';

/*
 * What Gantry reads of OpenCode 1.x (recorded with 1.18.33), loosely: a field that is not needed is not looked at, so
 * that another minor version with more fields still fits.
 */

const tokens = z.number().catch(0);

export const WireTokens = z.object({
  input: tokens,
  output: tokens,
  reasoning: tokens,
  cache: z.object({ read: tokens, write: tokens }).catch({ read: 0, write: 0 }),
});

export const WireError = z.object({
  name: z.string(),
  data: z
    .object({
      message: z.string().optional(),
      statusCode: z.number().optional(),
      responseHeaders: z.record(z.string(), z.string()).optional(),
      responseBody: z.string().optional(),
    })
    .catch({}),
});
export type WireError = z.infer<typeof WireError>;

export const WireSession = z.object({
  id: z.string(),
  parentID: z.string().nullish(),
  directory: z.string(),
  title: z.string().catch(''),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  time: z.object({ created: z.number() }),
});
export type WireSession = z.infer<typeof WireSession>;

export const WireMessage = z.object({
  id: z.string(),
  sessionID: z.string(),
  role: z.enum(['user', 'assistant']),
  parentID: z.string().nullish(),
  time: z.object({ created: z.number(), completed: z.number().nullish() }),
  finish: z.string().nullish(),
  mode: z.string().nullish(),
  error: WireError.nullish(),
  cost: z.number().nullish(),
  tokens: WireTokens.nullish(),
});
export type WireMessage = z.infer<typeof WireMessage>;

const partBase = { id: z.string(), messageID: z.string(), sessionID: z.string() };

export const WireTextPart = z.object({
  ...partBase,
  type: z.enum(['text', 'reasoning']),
  text: z.string(),
  synthetic: z.boolean().nullish(),
  time: z.object({ start: z.number().nullish(), end: z.number().nullish() }).nullish(),
});

export const WireToolPart = z.object({
  ...partBase,
  type: z.literal('tool'),
  callID: z.string(),
  tool: z.string(),
  state: z.object({
    status: z.enum(['pending', 'running', 'completed', 'error']),
    input: z.unknown(),
    output: z.string().nullish(),
    error: z.string().nullish(),
    title: z.string().nullish(),
    metadata: z.record(z.string(), z.unknown()).nullish(),
    time: z.object({ start: z.number().nullish() }).nullish(),
  }),
});
export type WireToolPart = z.infer<typeof WireToolPart>;

export const WirePatchPart = z.object({ ...partBase, type: z.literal('patch'), files: z.array(z.string()) });

export const WireOtherPart = z.looseObject({ ...partBase, type: z.string() });

export const WireEntry = z.object({ info: WireMessage, parts: z.array(z.unknown()) });

const call = z.object({ messageID: z.string(), callID: z.string() }).nullish();

export const WirePermission = z.object({
  id: z.string(),
  sessionID: z.string(),
  permission: z.string(),
  patterns: z.array(z.string()).catch([]),
  metadata: z.record(z.string(), z.unknown()).catch({}),
  tool: call,
});
export type WirePermission = z.infer<typeof WirePermission>;

export const WireQuestion = z.object({
  id: z.string(),
  sessionID: z.string(),
  questions: z.array(
    z.object({
      question: z.string(),
      header: z.string().catch(''),
      options: z.array(z.object({ label: z.string(), description: z.string().catch('') })).catch([]),
      multiple: z.boolean().nullish(),
      custom: z.boolean().nullish(),
    }),
  ),
  tool: call,
});
export type WireQuestion = z.infer<typeof WireQuestion>;

export const WireTodos = z.array(z.object({ content: z.string(), status: z.string() }));

export const WireStatus = z.object({
  type: z.string(),
  attempt: z.number().nullish(),
  message: z.string().nullish(),
  next: z.number().nullish(),
});

export const WireAgents = z.array(
  z.object({
    name: z.string(),
    hidden: z.boolean().nullish(),
    permission: z.array(z.object({ permission: z.string(), pattern: z.string(), action: z.string() })),
  }),
);

/** A frame of `GET /global/event`. */
export const WireFrame = z.object({
  payload: z.object({ type: z.string(), properties: z.record(z.string(), z.unknown()).catch({}) }),
});

/** How Gantry finds a session that it made again: creation has no id of the client's choice. */
export const SESSION_METADATA_KEY = 'gantrySession';
