import type { FactSubject } from '../../contract/fact.ts';

/** The fields that a search can name. `text` is whatever has no field of its own. */
export const COLUMNS = [
  'type',
  'source',
  'session',
  'project',
  'task',
  'agent',
  'tool',
  'model',
  'summary',
  'prompt',
  'output',
  'chat',
  'text',
] as const;
export type Column = (typeof COLUMNS)[number];
type Indexed = { readonly [C in Column]: string };

/** Characters of one field: the end of a very long output is not found. */
const MAX_FIELD = 200_000;
const MAX_DEPTH = 100;
const MAX_KEYS = 1_000;

type Values = Readonly<Record<string, unknown>>;

/** What it is about, by id; null of what it is not. */
export type Subject = Pick<FactSubject, 'projectId' | 'taskId' | 'agent'>;

/** What of a fact is found under each field. `chatPart` reads the messages that came with an event, as JSON. */
export function indexedOf(
  kind: string,
  data: Values,
  { projectId, taskId, agent }: Subject,
  chatPart: (id: number, count: number) => string,
): readonly string[] {
  const said = kind === 'observed' ? ofEvent(data, chatPart) : ofOwn(kind, data);
  const found: Partial<Indexed> = { ...said, project: projectId ?? '', task: taskId ?? '', agent: agent ?? '' };
  return COLUMNS.map((column) => (found[column] ?? '').slice(0, MAX_FIELD));
}

function ofEvent(data: Values, chatPart: (id: number, count: number) => string): Partial<Indexed> {
  const { gantry, source_app, session_id, hook_event_type, payload, summary, model_name, timestamp: _, ...rest } = data;
  const { tool_name, prompt, message, tool_response, error, ...others } = objectOf(payload);
  const chat = objectOf(objectOf(gantry).chat);
  return {
    type: textOf(hook_event_type),
    source: textOf(source_app),
    session: textOf(session_id),
    tool: textOf(tool_name),
    model: textOf(model_name),
    summary: textOf(summary),
    prompt: textOf([prompt, message]),
    output: textOf([tool_response, error]),
    chat: typeof chat.id === 'number' ? textOf(JSON.parse(chatPart(chat.id, Number(chat.count)) || '[]')) : '',
    text: textOf([others, rest]),
  };
}

function ofOwn(kind: string, data: Values): Partial<Indexed> {
  const { tool, output, ...rest } = data;
  return { type: kind, source: 'gantry', tool: textOf(tool), output: textOf(output), text: textOf(rest) };
}

const objectOf = (value: unknown): Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : {};

/** Every text and number in a value, keys of objects too, about a field's length at most. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const parts: string[] = [];
  let length = 0;
  const visit = (inner: unknown, depth: number): void => {
    if (length > MAX_FIELD || depth > MAX_DEPTH) return;
    if (typeof inner === 'object' && inner !== null) {
      if (!Array.isArray(inner)) parts.push(...Object.keys(inner).slice(0, MAX_KEYS));
      for (const item of Object.values(inner)) visit(item, depth + 1);
    } else if (typeof inner === 'string' || typeof inner === 'number') {
      parts.push(String(inner));
      length += String(inner).length;
    }
  };
  visit(value, 0);
  return parts.join(' ');
}
