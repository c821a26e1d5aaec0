import { z } from 'zod';
import { Usage } from './usage.ts';

/** Whose own store of conversations. */
export const HistorySource = z.enum(['opencode', 'claude']);
export type HistorySource = z.infer<typeof HistorySource>;

/** A part of a message, the same for every store. What is not known is kept as `raw`. */
export const HistoryPart = z.discriminatedUnion('type', [
  /** `isSynthetic`: put in by the program, not the person's or the model's words. */
  z.object({ type: z.literal('text'), text: z.string(), isSynthetic: z.boolean() }),
  z.object({ type: z.literal('reasoning'), text: z.string() }),
  z.object({
    type: z.literal('tool'),
    callId: z.string(),
    tool: z.string(),
    title: z.string().nullable(),
    input: z.unknown(),
    output: z.string().nullable(),
    status: z.enum(['pending', 'running', 'completed', 'error']),
  }),
  z.object({ type: z.literal('file'), name: z.string(), mime: z.string().nullable() }),
  z.object({ type: z.literal('patch'), files: z.array(z.string()) }),
  z.object({ type: z.literal('compaction') }),
  z.object({ type: z.literal('step'), reason: z.string().nullable() }),
  z.object({ type: z.literal('raw'), kind: z.string(), value: z.unknown() }),
]);
export type HistoryPart = z.infer<typeof HistoryPart>;

export const HistorySession = z.object({
  source: HistorySource,
  /** The program's own id. */
  id: z.string(),
  /** Of a sub-agent's session. */
  parentId: z.string().nullable(),
  title: z.string(),
  directory: z.string().nullable(),
  model: z.string().nullable(),
  /** Null: not told without reading all of it. */
  usage: Usage.nullable(),
  createdAt: z.number().nullable(),
  updatedAt: z.number().nullable(),
  /** The file that it is in. */
  store: z.string(),
});
export type HistorySession = z.infer<typeof HistorySession>;

export const HistoryMessage = z.object({
  id: z.string(),
  role: z.enum(['user', 'assistant', 'system']),
  at: z.number().nullable(),
  model: z.string().nullable(),
  usage: Usage.nullable(),
  error: z.string().nullable(),
  parts: z.array(HistoryPart),
});
export type HistoryMessage = z.infer<typeof HistoryMessage>;

export const HistoryHit = z.object({
  source: HistorySource,
  sessionId: z.string(),
  messageId: z.string(),
  title: z.string(),
  at: z.number().nullable(),
  /** What was found with the words around it. */
  excerpt: z.string(),
});
export type HistoryHit = z.infer<typeof HistoryHit>;

/** A store that is there and cannot be read, in words. */
export const HistoryProblem = z.object({ source: HistorySource, store: z.string(), problem: z.string() });
export type HistoryProblem = z.infer<typeof HistoryProblem>;
