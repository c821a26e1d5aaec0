import { z } from 'zod';
import type { HistoryMessage, HistoryPart } from '../contract/history.ts';
import { usageOf } from '../contract/usage.ts';

/** The JSON in OpenCode's `message.data` and `part.data` (opencode-ai 1.18.33). Everything is optional: it is a foreign store. */
const Tokens = z.object({
  input: z.number().default(0),
  output: z.number().default(0),
  reasoning: z.number().default(0),
  cache: z.object({ read: z.number().default(0), write: z.number().default(0) }).prefault({}),
});
const Info = z.object({
  role: z.enum(['user', 'assistant']),
  time: z.object({ created: z.number() }).optional(),
  modelID: z.string().optional(),
  providerID: z.string().optional(),
  model: z.object({ modelID: z.string(), providerID: z.string() }).optional(),
  cost: z.number().nonnegative().optional(),
  tokens: Tokens.optional(),
  error: z
    .object({ name: z.string().optional(), data: z.object({ message: z.string().optional() }).optional() })
    .optional(),
});
const ToolState = z.object({
  status: z.enum(['pending', 'running', 'completed', 'error']),
  input: z.unknown().optional(),
  title: z.string().optional(),
  output: z.string().optional(),
  error: z.string().optional(),
});
const Part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string(), synthetic: z.boolean().optional() }),
  z.object({ type: z.literal('reasoning'), text: z.string() }),
  z.object({ type: z.literal('tool'), tool: z.string(), callID: z.string(), state: ToolState }),
  z.object({
    type: z.literal('file'),
    mime: z.string().optional(),
    filename: z.string().optional(),
    url: z.string().optional(),
  }),
  z.object({ type: z.literal('patch'), files: z.array(z.string()) }),
  z.object({ type: z.literal('compaction') }),
  z.object({ type: z.literal('step-finish'), reason: z.string().optional() }),
]);

export function messageOf(id: string, createdAt: number, data: string, parts: readonly HistoryPart[]): HistoryMessage {
  const info = Info.safeParse(jsonOf(data));
  if (!info.success) {
    const raw: HistoryPart = { type: 'raw', kind: 'message', value: data };
    return { id, role: 'system', at: createdAt, model: null, usage: null, error: null, parts: [raw, ...parts] };
  }
  const { role, time, modelID, providerID, model, tokens, cost, error } = info.data;
  const named = model ?? (modelID === undefined ? null : { modelID, providerID });
  return {
    id,
    role,
    at: time?.created ?? createdAt,
    model: named ? [named.providerID, named.modelID].filter(Boolean).join('/') : null,
    usage: tokens ? usageOf(tokens, cost ?? null) : null,
    error: error ? (error.data?.message ?? error.name ?? 'an error without words') : null,
    parts: [...parts],
  };
}

export function partOf(data: string): HistoryPart {
  const value = jsonOf(data);
  const part = Part.safeParse(value);
  if (!part.success) {
    const kind = z.object({ type: z.string() }).safeParse(value);
    return { type: 'raw', kind: kind.success ? kind.data.type : 'unknown', value: value ?? data };
  }
  switch (part.data.type) {
    case 'text':
      return { type: 'text', text: part.data.text, isSynthetic: part.data.synthetic ?? false };
    case 'reasoning':
      return { type: 'reasoning', text: part.data.text };
    case 'tool': {
      const { tool, callID: callId, state } = part.data;
      const { status, input = {}, title = null, output, error } = state;
      return { type: 'tool', callId, tool, title, input, output: output ?? error ?? null, status };
    }
    case 'file':
      return { type: 'file', name: part.data.filename ?? fileOfUrl(part.data.url), mime: part.data.mime ?? null };
    case 'patch':
      return { type: 'patch', files: part.data.files };
    case 'compaction':
      return { type: 'compaction' };
    case 'step-finish':
      return { type: 'step', reason: part.data.reason ?? null };
    default:
      return part.data satisfies never;
  }
}

/** What a person can read of a part. */
export function wordsOf(part: HistoryPart): string {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text;
    case 'tool':
      return `${part.title ?? ''}\n${JSON.stringify(part.input)}\n${part.output ?? ''}`;
    case 'patch':
      return part.files.join('\n');
    case 'file':
      return part.name;
    case 'compaction':
    case 'step':
    case 'raw':
      return '';
    default:
      return part satisfies never;
  }
}

/** Undefined for what is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A `data:` URL holds the file itself. */
const fileOfUrl = (url: string | undefined): string =>
  url === undefined || url.startsWith('data:') ? 'file' : (url.split('/').at(-1) ?? 'file');
