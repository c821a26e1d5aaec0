import { z } from 'zod';
import type { HistoryMessage, HistoryPart } from '../contract/history.ts';
import type { Usage } from '../contract/usage.ts';

/** Lines of a transcript of Claude Code 2.1 that hold the conversation; there are many other types. */
const Block = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), thinking: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.unknown().optional() }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: z.unknown().optional(),
    is_error: z.boolean().nullish(),
  }),
  z.object({ type: z.literal('image'), source: z.object({ media_type: z.string() }).partial().optional() }),
]);
const WireUsage = z.object({
  input_tokens: z.number().default(0),
  output_tokens: z.number().default(0),
  cache_read_input_tokens: z.number().default(0),
  cache_creation_input_tokens: z.number().default(0),
});
const ConversationLine = z.object({
  type: z.enum(['user', 'assistant']),
  uuid: z.string(),
  timestamp: z.string().optional(),
  cwd: z.string().optional(),
  isMeta: z.boolean().optional(),
  message: z.object({
    id: z.string().optional(),
    model: z.string().optional(),
    content: z.union([z.string(), z.array(z.unknown())]),
    usage: WireUsage.optional(),
  }),
});
export type ConversationLine = z.infer<typeof ConversationLine>;
const TitleLine = z.object({ type: z.literal('custom-title'), customTitle: z.string() });

/** Null for lines that are not part of the conversation. */
export function lineOf(text: string): ConversationLine | { readonly title: string } | null {
  // Cheaper than parsing 100 kB of a snapshot to see that it is one.
  if (!/"type":\s?"(user|assistant|custom-title)"/.test(text)) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The last line of a session that is being written may be half of one.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
  const line = ConversationLine.safeParse(value);
  if (line.success) return line.data;
  const title = TitleLine.safeParse(value);
  return title.success ? { title: title.data.customTitle } : null;
}

export function messageOf({ type, uuid, timestamp, isMeta = false, message }: ConversationLine): HistoryMessage {
  const { content, usage, model } = message;
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  return {
    id: message.id ?? uuid,
    role: type,
    at: timestamp === undefined ? null : Date.parse(timestamp) || null,
    model: model ?? null,
    usage: usage ? usageOf(usage) : null,
    error: null,
    parts: blocks.map((block) => partOf(block, isMeta)),
  };
}

function partOf(value: unknown, isSynthetic: boolean): HistoryPart {
  const block = Block.safeParse(value);
  if (!block.success) {
    const kind = z.object({ type: z.string() }).safeParse(value);
    return { type: 'raw', kind: kind.success ? kind.data.type : 'unknown', value };
  }
  const { data } = block;
  switch (data.type) {
    case 'text':
      return { type: 'text', text: data.text, isSynthetic };
    case 'thinking':
      return { type: 'reasoning', text: data.thinking };
    case 'tool_use': {
      const { id: callId, name: tool, input = {} } = data;
      return { type: 'tool', callId, tool, title: null, input, output: null, status: 'running' };
    }
    case 'tool_result': {
      const status = data.is_error ? 'error' : 'completed';
      const output = resultOf(data.content);
      return { type: 'tool', callId: data.tool_use_id, tool: 'result', title: null, input: {}, output, status };
    }
    case 'image':
      return { type: 'file', name: 'image', mime: data.source?.media_type ?? null };
    default:
      return data satisfies never;
  }
}

function resultOf(content: unknown): string {
  if (typeof content === 'string') return content;
  const blocks = z.array(z.object({ text: z.string().optional() })).safeParse(content);
  return blocks.success ? blocks.data.map(({ text = '' }) => text).join('\n') : JSON.stringify(content ?? '');
}

const usageOf = (usage: z.output<typeof WireUsage>): Usage => ({
  inputTokens: usage.input_tokens,
  outputTokens: usage.output_tokens,
  reasoningTokens: 0,
  cacheReadTokens: usage.cache_read_input_tokens,
  cacheWriteTokens: usage.cache_creation_input_tokens,
  // Transcripts hold tokens, not money.
  costUsd: null,
});

/** Joins the lines of one answer (a line per block) and gives every tool call the result that a later line holds. */
export function joined(messages: readonly HistoryMessage[]): HistoryMessage[] {
  const whole: { -readonly [K in keyof HistoryMessage]: HistoryMessage[K] }[] = [];
  const calls = new Map<string, { output: string | null; status: string }>();
  for (const message of messages) {
    const parts = message.parts.filter((part) => {
      const call = part.type === 'tool' && part.tool === 'result' ? calls.get(part.callId) : undefined;
      if (call && part.type === 'tool') Object.assign(call, { output: part.output, status: part.status });
      return call === undefined;
    });
    for (const part of parts) if (part.type === 'tool') calls.set(part.callId, part);
    const last = whole.at(-1);
    if (last && last.id === message.id) {
      last.parts.push(...parts);
      last.usage = message.usage ?? last.usage;
    } else if (parts.length > 0) whole.push({ ...message, parts });
  }
  return whole;
}
