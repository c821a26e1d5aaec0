import type { Clock } from '../../base/clock.ts';
import type { ChildState } from '../../contract/fact.ts';
import type { BackendEvent } from '../backend.ts';
import type { Block, NativeLine } from './decode.ts';
import { changedFile, type Places, titleOf, toolName } from './tools.ts';

type Tool = { readonly native: string; readonly title: string; readonly input: unknown };
type Part = { readonly id: string; readonly kind: 'text' | 'reasoning'; text: string };

/** Turns the program's lines about its work into events. Texts are the session's own, tools and files the whole tree's. */
export class View {
  readonly #emit: (event: BackendEvent) => void;
  readonly #places: Places;
  readonly #clock: Clock;
  /** Calls that have not ended. */
  readonly #tools = new Map<string, Tool>();
  /** Where each sub-agent stands, as it was told. */
  readonly #children = new Map<string, ChildState>();
  #messageId = '';
  /** The part that is being streamed. */
  #part: Part | null = null;
  #parts = 0;
  #isInterrupted = false;

  constructor(emit: (event: BackendEvent) => void, places: Places, clock: Clock) {
    this.#emit = emit;
    this.#places = places;
    this.#clock = clock;
  }

  take(line: NativeLine): void {
    switch (line.type) {
      case 'message-opened':
        this.#endPart();
        this.#messageId = line.messageId;
        break;
      case 'part-opened':
        this.#endPart();
        this.#part =
          line.kind === 'other' ? null : { id: `${this.#messageId}:${line.index}`, kind: line.kind, text: '' };
        break;
      case 'delta':
        this.#delta(line.text);
        break;
      case 'blocks':
        for (const block of line.blocks) this.#block(block, line.isOwn, line.messageId);
        break;
      case 'child':
        if (!this.#children.has(line.id)) this.#emit({ type: 'child-started', nativeId: line.id, title: line.title });
        this.#childIs(line.id, 'running');
        break;
      case 'task-state':
        if (this.#children.has(line.id)) this.#childIs(line.id, line.state);
        break;
      case 'compaction':
        this.#emit({ type: 'compaction', phase: line.phase });
        break;
      case 'retry':
        this.#emit({
          type: 'retrying',
          try: line.try,
          message: line.message,
          nextAt: this.#clock.now() + Math.round(line.delayMs),
        });
        break;
      case 'notice':
        this.#emit({ type: 'notice', level: line.level, text: line.text });
        break;
      default:
    }
  }

  /** The turn is being stopped: a call that fails now was stopped with it. */
  interrupt(): void {
    this.#isInterrupted = true;
  }

  /** The turn is over: what is still open will get no end of its own. */
  end(): void {
    this.#endPart();
    for (const [callId, { native, title }] of this.#tools) {
      const tool = toolName(native);
      this.#emit({ type: 'tool-ended', callId, tool, title, status: 'interrupted', output: '' });
    }
    this.#tools.clear();
    // The program is not idle while one is at work.
    for (const [id, state] of this.#children) if (state === 'running') this.#childIs(id, 'unknown');
    this.#isInterrupted = false;
  }

  #childIs(nativeId: string, state: ChildState): void {
    if (this.#children.get(nativeId) === state) return;
    this.#children.set(nativeId, state);
    this.#emit({ type: 'child-state', nativeId, state });
  }

  #delta(text: string): void {
    if (!this.#part || text === '') return;
    this.#part.text += text;
    this.#emit({ type: `${this.#part.kind}-delta`, partId: this.#part.id, text });
  }

  /** The whole text of a part comes before its stream is closed. */
  #block(block: Block, isOwn: boolean, messageId: string): void {
    switch (block.type) {
      case 'text':
      case 'reasoning':
        // Words in a user message are the program's own.
        if (isOwn && messageId !== '') this.#text(block.type, block.text, messageId);
        break;
      case 'tool-use': {
        const { id: callId, name: native, input } = block;
        const title = titleOf(input);
        this.#tools.set(callId, { native, title, input });
        this.#emit({ type: 'tool-started', callId, tool: toolName(native), title, input });
        break;
      }
      case 'tool-result':
        this.#result(block);
        break;
      default:
        block satisfies never;
    }
  }

  #text(kind: Part['kind'], text: string, messageId: string): void {
    this.#parts += 1;
    const open = this.#part?.kind === kind ? this.#part : null;
    const partId = open?.id ?? `${messageId}.${this.#parts}`;
    this.#part = null;
    if (text !== '') this.#emit({ type: kind, partId, text });
  }

  #result({ id: callId, isError, text: output }: Extract<Block, { type: 'tool-result' }>): void {
    const known = this.#tools.get(callId);
    if (!known) return;
    this.#tools.delete(callId);
    const { native, title, input } = known;
    const path = isError ? null : changedFile(native, input, this.#places);
    if (path !== null) this.#emit({ type: 'file-changed', path });
    const status = isError ? (this.#isInterrupted ? 'interrupted' : 'error') : 'completed';
    this.#emit({ type: 'tool-ended', callId, tool: toolName(native), title, status, output });
  }

  /** A stream that was cut: its words were said all the same. */
  #endPart(): void {
    const part = this.#part;
    this.#part = null;
    if (part && part.text !== '') this.#emit({ type: part.kind, partId: part.id, text: part.text });
  }
}
