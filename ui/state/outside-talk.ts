import { z } from 'zod';
import type { HookEvent } from '../../src/contract/event.ts';
import type { TranscriptItem } from '../../src/contract/session.ts';

type Payload = HookEvent['payload'];
type Tool = Extract<TranscriptItem, { type: 'tool' }>;

const Part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), thinking: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.unknown() }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: z.unknown().optional(),
    is_error: z.boolean().optional(),
  }),
]);
const Words = z.object({ role: z.enum(['user', 'assistant']), content: z.union([z.string(), z.array(z.unknown())]) });
/** A line of a transcript as hooks send it: Claude Code's own, or the message alone. */
const Line = z.union([
  z
    .object({ message: Words, timestamp: z.string().optional() })
    .transform((line) => ({ ...line.message, at: line.timestamp })),
  Words.transform((words) => ({ ...words, at: undefined })),
]);

const text = (payload: Payload, ...keys: readonly string[]): string | null =>
  keys.map((key) => payload[key]).find((value): value is string => typeof value === 'string' && value !== '') ?? null;

/** What a tool gave back: its words, or its data as JSON. */
function outputOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  const shaped = z.object({ stdout: z.string(), stderr: z.string().default('') }).safeParse(value).data;
  if (shaped) return [shaped.stdout, shaped.stderr].filter((part) => part !== '').join('\n');
  const parts = z.array(z.object({ text: z.string() })).safeParse(value).data;
  return parts ? parts.map((part) => part.text).join('\n') : JSON.stringify(value, null, 2);
}

/** The items of a conversation, each changed in place by what comes later. */
class Items {
  readonly #items = new Map<string, TranscriptItem>();

  put(item: TranscriptItem): void {
    this.#items.set(item.id, item);
  }

  tool(id: string, change: Partial<Tool> & Pick<Tool, 'at'>): void {
    const before = this.#items.get(id);
    const known = before?.type === 'tool' ? before : null;
    const fresh: Tool = { type: 'tool', id, at: change.at, tool: '', input: null, output: null, status: 'running' };
    this.put({ ...(known ?? fresh), ...change, at: known?.at ?? change.at });
  }

  /** The last word, which a stop repeats. */
  get lastText(): string | null {
    const last = [...this.#items.values()].findLast(({ type }) => type === 'text');
    return last?.type === 'text' ? last.text : null;
  }

  all(): TranscriptItem[] {
    return [...this.#items.values()];
  }
}

/** The conversation that events of one session tell, oldest first; a transcript that came with one is taken as it is. */
export function outsideItems(events: readonly HookEvent[]): TranscriptItem[] {
  const items = new Items();
  const withChat = events.findLastIndex(({ chat }) => chat !== undefined && chat.length > 0);
  for (const [index, line] of (events[withChat]?.chat ?? []).entries()) takeLine(items, line, index);
  for (const event of events.slice(withChat + 1)) takeEvent(items, event);
  return items.all();
}

function takeLine(items: Items, given: unknown, index: number): void {
  const line = Line.safeParse(given).data;
  if (!line) return;
  const at = line.at === undefined ? null : Date.parse(line.at) || null;
  const parts = typeof line.content === 'string' ? [{ type: 'text', text: line.content }] : line.content;
  for (const [place, value] of parts.entries()) {
    takePart(items, value, { id: `chat:${index}:${place}`, at, role: line.role });
  }
}

type Place = { readonly id: string; readonly at: number | null; readonly role: 'user' | 'assistant' };

function takePart(items: Items, value: unknown, { id, at, role }: Place): void {
  const part = Part.safeParse(value).data;
  if (!part) items.put({ type: 'raw', id, at, value });
  else if (part.type === 'text') items.put({ type: role === 'user' ? 'user' : 'text', id, at, text: part.text });
  else if (part.type === 'thinking') items.put({ type: 'reasoning', id, at, text: part.thinking });
  else if (part.type === 'tool_use') items.tool(part.id, { at, tool: part.name, input: part.input });
  else {
    const status = part.is_error ? 'error' : 'completed';
    items.tool(part.tool_use_id, { at, output: outputOf(part.content), status });
  }
}

function takeEvent(items: Items, { id: seq, received_at: at, hook_event_type: type, payload }: HookEvent): void {
  const id = `event:${seq}`;
  const call = text(payload, 'tool_use_id', 'call_id') ?? id;
  const tool = text(payload, 'tool_name', 'tool') ?? 'tool';
  switch (type) {
    case 'UserPromptSubmit':
      items.put({ type: 'user', id, at, text: text(payload, 'prompt', 'message') ?? '' });
      return;
    case 'AssistantMessage': {
      const words = text(payload, 'text');
      const error = text(payload, 'error');
      if (words !== null) items.put({ type: 'text', id, at, text: words });
      if (error !== null) items.put({ type: 'error', id: `${id}:error`, at, text: error });
      return;
    }
    case 'Stop': {
      const words = text(payload, 'last_assistant_message');
      if (words !== null && words !== items.lastText) items.put({ type: 'text', id, at, text: words });
      return;
    }
    case 'Reasoning':
      items.put({ type: 'reasoning', id, at, text: text(payload, 'text') ?? '' });
      return;
    case 'PreToolUse':
    case 'ToolRequested':
      items.tool(call, { at, tool, input: payload.tool_input });
      return;
    case 'PostToolUse':
    case 'ToolCompleted':
      items.tool(call, {
        at,
        tool,
        input: payload.tool_input,
        output: outputOf(payload.tool_response),
        status: 'completed',
      });
      return;
    case 'PostToolUseFailure':
    case 'ToolFailed':
      items.tool(call, { at, tool, input: payload.tool_input, output: text(payload, 'error'), status: 'error' });
      return;
    case 'SessionError':
      items.put({ type: 'error', id, at, text: text(payload, 'error') ?? 'an error without words' });
      return;
    default:
      return;
  }
}
