import type { TranscriptItem } from '../../contract/session.ts';
import type { BackendEvent } from '../backend.ts';
import { changedPaths, type ToolState, withUpdate } from './tools.ts';
import { type ToolFields, textOf, type Update } from './wire.ts';

type Part = { readonly type: 'text' | 'reasoning' | 'user'; readonly messageId: string | null; readonly id: string };

/** Items of the conversation that are kept; of a longer one the oldest are left out. */
const MAX_ITEMS = 5_000;
const MAX_PART_CHARS = 1_000_000;

/** What an agent tells of one conversation, as events and as a transcript. */
export class SessionView {
  readonly #directory: string;
  #items: TranscriptItem[] = [];
  readonly #tools = new Map<string, ToolState>();
  /** Calls whose start was told and whose end was not. */
  readonly #open = new Set<string>();
  #part: (Part & { text: string }) | null = null;
  #parts = 0;
  #costUsd: number | null = null;
  #lastText = '';

  constructor(directory: string) {
    this.#directory = directory;
  }

  get transcript(): readonly TranscriptItem[] {
    return this.#items;
  }

  /** The agent's sum of the session so far, as it last told it; null: it tells none in US dollars. */
  get costUsd(): number | null {
    return this.#costUsd;
  }

  /** What users have said, in the order of the conversation. */
  get userTexts(): readonly string[] {
    return this.#items.flatMap((item) => (item.type === 'user' ? [item.text] : []));
  }

  /** An agent does not tell what it was asked, except in a replay. */
  userSaid(id: string, text: string): void {
    this.#keep({ type: 'user', id, at: null, text });
  }

  beginTurn(): void {
    this.#flush();
    this.#lastText = '';
  }

  /** What was open is over. @returns the last events, and the agent's final words */
  endTurn(): { readonly events: readonly BackendEvent[]; readonly text: string } {
    const events: BackendEvent[] = this.#flush();
    for (const callId of [...this.#open]) {
      const state = this.#tools.get(callId);
      if (state) events.push(...this.#endTool(state, 'interrupted'));
    }
    this.#tools.clear();
    return { events, text: this.#lastText };
  }

  take(update: Update): readonly BackendEvent[] {
    switch (update.sessionUpdate) {
      case 'user_message_chunk':
        return this.#chunk('user', update.messageId ?? null, textOf(update.content));
      case 'agent_message_chunk':
        return this.#chunk('text', update.messageId ?? null, textOf(update.content));
      case 'agent_thought_chunk':
        return this.#chunk('reasoning', update.messageId ?? null, textOf(update.content));
      case 'tool_call':
      case 'tool_call_update':
        return [...this.#flush(), ...this.#tool(update)];
      case 'plan':
        return [{ type: 'todo', items: update.entries.map(({ content, status }) => ({ text: content, status })) }];
      case 'usage_update':
        if (update.cost) this.#costUsd = update.cost.currency === 'USD' ? update.cost.amount : null;
        return [];
      default:
        return update satisfies never;
    }
  }

  /** The call with what a question about it tells; its start is told with it. */
  asked(fields: ToolFields): { readonly state: ToolState; readonly events: readonly BackendEvent[] } {
    // The question's kind is about the question: a read outside the workspace comes as "other".
    const { kind, ...more } = fields;
    const known = this.#tools.get(fields.toolCallId) ?? null;
    const state = withUpdate(known, known ? more : { kind, ...more }, this.#directory);
    if (!known) this.#tools.set(state.callId, state);
    return { state, events: [...this.#flush(), ...this.#start(state)] };
  }

  #chunk(type: Part['type'], messageId: string | null, text: string): BackendEvent[] {
    const events: BackendEvent[] = [];
    if (this.#part?.type !== type || this.#part.messageId !== messageId) {
      events.push(...this.#flush());
      this.#parts += 1;
      this.#part = { type, messageId, id: `part-${this.#parts}`, text: '' };
    }
    const part = this.#part;
    if (part.text.length < MAX_PART_CHARS) part.text += text;
    if (type !== 'user') events.push({ type: `${type}-delta`, partId: part.id, text });
    return events;
  }

  #flush(): BackendEvent[] {
    const part = this.#part;
    this.#part = null;
    if (!part) return [];
    const { type, id, text } = part;
    this.#keep({ type, id, at: null, text });
    if (type === 'text') this.#lastText = text;
    return type === 'user' ? [] : [{ type, partId: id, text }];
  }

  #tool(update: ToolFields): BackendEvent[] {
    const state = withUpdate(this.#tools.get(update.toolCallId) ?? null, update, this.#directory);
    this.#tools.set(state.callId, state);
    const isOver = state.status === 'completed' || state.status === 'failed';
    // A pending call may be without its input yet.
    if (state.status === 'pending') return [];
    const started = this.#start(state);
    return isOver
      ? [...started, ...this.#endTool(state, state.status === 'completed' ? 'completed' : 'error')]
      : started;
  }

  #start({ callId, tool, title, input, status }: ToolState): BackendEvent[] {
    if (this.#open.has(callId)) return [];
    if ((status === 'completed' || status === 'failed') && this.#items.some(({ id }) => id === callId)) return [];
    this.#open.add(callId);
    this.#lastText = '';
    return [{ type: 'tool-started', callId, tool, title, input: input ?? {} }];
  }

  #endTool(state: ToolState, status: 'completed' | 'error' | 'interrupted'): BackendEvent[] {
    const { callId: id, tool, title, input, output } = state;
    // Told again, as some agents do.
    if (!this.#open.delete(id)) return [];
    this.#keep({ type: 'tool', id, at: null, tool, input: input ?? {}, output, status });
    const changed = status === 'completed' ? changedPaths(state) : [];
    return [
      { type: 'tool-ended', callId: id, tool, title, status, output },
      ...changed.map((path) => ({ type: 'file-changed', path }) as const),
    ];
  }

  #keep(item: TranscriptItem): void {
    this.#items.push(item);
    if (this.#items.length > MAX_ITEMS) this.#items = this.#items.slice(-MAX_ITEMS);
  }
}
