import { addUsage, NO_USAGE, type Usage } from '../../contract/usage.ts';
import type { BackendEvent } from '../backend.ts';
import type { NativeEntry, NativeMessage, NativePart, NativeTodo } from './dialect.ts';

type TextState = {
  readonly kind: 'text' | 'reasoning';
  readonly messageId: string;
  text: string;
  /** Something of it was not seen: held back until the whole text comes. */
  isGapped: boolean;
  isWhole: boolean;
};

type Source = 'live' | 'open' | 'over';

type ToolState = { readonly tool: string; title: string; isEnded: boolean };

/**
 * What a turn has shown so far, sub-agents included; turns what the program tells, in whatever order and however often,
 * into events that come once and in order. Texts are the session's own; tools, changed files and usage the whole tree's.
 */
export class TurnView {
  readonly #rootId: string;
  readonly #emit: (event: BackendEvent) => void;
  /** The server's time of the turn's first prompt; null until the server has it. */
  #since: number | null = null;
  #messages = new Map<string, NativeMessage>();
  #texts = new Map<string, TextState>();
  #tools = new Map<string, ToolState>();
  #prompts = new Set<string>();
  #todo = '[]';

  constructor(rootId: string, emit: (event: BackendEvent) => void) {
    this.#rootId = rootId;
    this.#emit = emit;
  }

  /** Forgets the last turn. */
  begin(): void {
    this.#since = null;
    this.#messages = new Map();
    this.#texts = new Map();
    this.#tools = new Map();
    this.#prompts = new Set();
  }

  /** A prompt of this turn, and when the server has stored it. */
  addPrompt(messageId: string, storedAt: number | null): void {
    this.#prompts.add(messageId);
    if (storedAt !== null) this.#since = Math.min(this.#since ?? storedAt, storedAt);
  }

  /** Messages of the history that are known to be of this turn. */
  entries(entries: readonly NativeEntry[]): void {
    for (const { message, parts } of entries) {
      if (message.role !== 'assistant') continue;
      this.#message(message);
      for (const part of parts) this.#part(part, message.completedAt === null ? 'open' : 'over');
    }
  }

  message(message: NativeMessage): void {
    if (message.role === 'assistant' && this.#isOfTurn(message)) this.#message(message);
  }

  has(messageId: string): boolean {
    return this.#messages.has(messageId);
  }

  #message(message: NativeMessage): void {
    const known = this.#messages.get(message.id);
    // A history that was read before the end came is not news.
    if (known && known.completedAt !== null && message.completedAt === null) return;
    this.#messages.set(message.id, message);
    if (message.isCompaction && !known) this.#emit({ type: 'compaction', phase: 'started' });
    if (message.completedAt !== null && (known?.completedAt ?? null) === null && hasTokens(message.usage)) {
      this.#emit({ type: 'usage', usage: this.usage() });
    }
  }

  part(part: NativePart): void {
    this.#part(part, 'live');
  }

  /** `source`: an event, or a message of the history that is complete or not. */
  #part(part: NativePart, source: Source): void {
    if (!this.#messages.has(part.messageId)) return;
    switch (part.type) {
      case 'text':
      case 'reasoning':
        if (part.sessionId === this.#rootId && !part.isSynthetic) this.#text(part, source);
        break;
      case 'tool':
        this.#tool(part);
        break;
      case 'changes':
        for (const path of part.files) this.#emit({ type: 'file-changed', path });
        break;
      case 'other':
        break;
      default:
        part satisfies never;
    }
  }

  delta(partId: string, text: string): void {
    const state = this.#texts.get(partId);
    if (!state || state.isGapped || state.isWhole) return;
    state.text += text;
    this.#emit({ type: deltaOf(state.kind), partId, text });
  }

  todo(items: readonly NativeTodo[]): void {
    const text = JSON.stringify(items);
    if (text === this.#todo) return;
    this.#todo = text;
    this.#emit({ type: 'todo', items });
  }

  /** Events were missed, or will be: no delta of an open text can be taken any more. */
  gap(): void {
    for (const state of this.#texts.values()) if (!state.isWhole) state.isGapped = true;
  }

  /** The turn is over: what is still open will get no end of its own. */
  end(): void {
    for (const [partId, state] of this.#texts) {
      if (state.isWhole || state.text === '') continue;
      state.isWhole = true;
      this.#emit({ type: state.kind, partId, text: state.text });
    }
    for (const [callId, state] of this.#tools) {
      if (state.isEnded) continue;
      state.isEnded = true;
      this.#emit({
        type: 'tool-ended',
        callId,
        tool: state.tool,
        title: state.title,
        status: 'interrupted',
        output: '',
      });
    }
  }

  /** The turn's messages of the session itself, in the order in which they were made. */
  answers(): readonly NativeMessage[] {
    return [...this.#messages.values()]
      .filter((message) => message.sessionId === this.#rootId)
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  textOf(messageId: string): string {
    const texts = [...this.#texts.values()].filter((s) => s.messageId === messageId && s.kind === 'text');
    return texts.map((state) => state.text).join('\n');
  }

  /** Of the whole turn, or of those messages alone that `isCounted` chooses. */
  usage(isCounted: (message: NativeMessage) => boolean = () => true): Usage {
    return [...this.#messages.values()]
      .filter(isCounted)
      .reduce((sum, message) => addUsage(sum, message.usage), NO_USAGE);
  }

  #isOfTurn({ parentId, createdAt }: NativeMessage): boolean {
    return (parentId !== null && this.#prompts.has(parentId)) || (this.#since !== null && createdAt >= this.#since);
  }

  #text(part: Extract<NativePart, { type: 'text' | 'reasoning' }>, source: Source): void {
    const known = this.#texts.get(part.id);
    if (known?.isWhole) return;
    // One that the history shows open, or that is met with text in it, was begun before we looked.
    const state = known ?? {
      kind: part.type,
      messageId: part.messageId,
      text: '',
      isGapped: source !== 'live' || part.text !== '',
      isWhole: false,
    };
    this.#texts.set(part.id, state);
    if (!part.isWhole && source !== 'over') return;
    const sent = state.text;
    state.isWhole = true;
    state.text = part.text;
    const rest = part.text.startsWith(sent) ? part.text.slice(sent.length) : '';
    if (rest !== '') this.#emit({ type: deltaOf(state.kind), partId: part.id, text: rest });
    if (part.text !== '') this.#emit({ type: state.kind, partId: part.id, text: part.text });
  }

  #tool(part: Extract<NativePart, { type: 'tool' }>): void {
    if (part.status === 'pending') return;
    const { id: callId, tool } = part;
    let state = this.#tools.get(callId);
    if (!state) {
      state = { tool, title: part.title, isEnded: false };
      this.#tools.set(callId, state);
      this.#emit({ type: 'tool-started', callId, tool, title: part.title, input: part.input });
    }
    if (part.title !== '') state.title = part.title;
    if (part.status === 'running' || state.isEnded) return;
    state.isEnded = true;
    for (const path of part.files) this.#emit({ type: 'file-changed', path });
    const { status, output } = part;
    this.#emit({ type: 'tool-ended', callId, tool, title: state.title, status, output });
  }
}

const deltaOf = (kind: 'text' | 'reasoning'): 'text-delta' | 'reasoning-delta' => `${kind}-delta`;

const hasTokens = (usage: Usage): boolean => usage.inputTokens + usage.outputTokens + usage.cacheReadTokens > 0;
