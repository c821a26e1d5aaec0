import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { TurnOutcome } from '../../../contract/fact.ts';
import type { PromptId } from '../../../contract/ids.ts';
import type { TranscriptItem } from '../../../contract/session.ts';
import { addUsage, NO_USAGE, type Usage } from '../../../contract/usage.ts';
import type { WireFailure } from '../wire.ts';

export type TurnEnd = {
  readonly outcome: TurnOutcome;
  readonly text: string;
  readonly failure: WireFailure | null;
};

/** One line of the file. `turn` is the first prompt of a turn, `step` a key that is the same after a resume. */
type Entry =
  | {
      readonly type: 'session';
      readonly nativeId: string;
      readonly directory: string;
      readonly title: string;
      readonly from: string | null;
    }
  | {
      readonly type: 'prompt';
      readonly turn: PromptId;
      readonly id: PromptId;
      readonly text: string;
      readonly isScripted: boolean;
      readonly at: number;
    }
  | { readonly type: 'begun'; readonly turn: PromptId; readonly call: string }
  | { readonly type: 'item'; readonly turn: PromptId; readonly item: TranscriptItem; readonly isAnswer: boolean }
  | { readonly type: 'usage'; readonly turn: PromptId; readonly step: string; readonly usage: Usage }
  | { readonly type: 'step-done'; readonly turn: PromptId }
  | { readonly type: 'compacted' }
  | ({ readonly type: 'turn-ended'; readonly turn: PromptId } & TurnEnd);

/** A turn as its entries make it. */
export type Turn = {
  readonly id: PromptId;
  readonly prompts: Set<PromptId>;
  answer: string | null;
  readonly usage: Map<string, Usage>;
  end: TurnEnd | null;
};

/** The native store of one session: an append-only NDJSON file, whole after a kill at any moment. */
export class Journal {
  readonly nativeId: string;
  readonly directory: string;
  readonly turns = new Map<PromptId, Turn>();
  /** The newest prompt with a script (without any: the newest prompt), and the step of it that is next. */
  source: { readonly id: PromptId; readonly text: string } | null = null;
  step = 0;
  /** Calls that must not be made again. */
  readonly begun = new Set<string>();
  readonly #file: string;
  #hasScript = false;
  #items = new Map<string, TranscriptItem>();
  /** The items that the model still sees: those after the last compaction. */
  #seenFrom = 0;

  private constructor(file: string, header: Extract<Entry, { type: 'session' }>) {
    this.#file = file;
    this.nativeId = header.nativeId;
    this.directory = header.directory;
  }

  static create(
    store: string,
    facts: { readonly directory: string; readonly title: string; readonly from: Journal | null },
  ): Journal {
    mkdirSync(store, { recursive: true, mode: 0o700 });
    const nativeId = `fake_${randomUUID().replaceAll('-', '')}`;
    const file = fileOf(store, nativeId);
    const header = {
      type: 'session',
      nativeId,
      directory: facts.directory,
      title: facts.title,
      from: facts.from?.nativeId ?? null,
    } as const;
    const copied = facts.from ? entriesOf(facts.from.#file).filter((entry) => entry.type !== 'session') : [];
    appendFileSync(file, [header, ...copied].map((entry) => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 });
    const journal = new Journal(file, header);
    for (const entry of copied) journal.#apply(entry);
    journal.endOpenTurns('the session was forked');
    return journal;
  }

  /** Null if this store has no such session. */
  static load(store: string, nativeId: string): Journal | null {
    const file = fileOf(store, nativeId);
    if (!/^fake_[0-9a-f]+$/.test(nativeId) || !existsSync(file)) return null;
    const [header, ...rest] = entriesOf(file);
    if (header?.type !== 'session') return null;
    const journal = new Journal(file, header);
    for (const entry of rest) journal.#apply(entry);
    journal.step = Math.max(0, journal.step);
    return journal;
  }

  append(entry: Entry): void {
    appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
    this.#apply(entry);
  }

  /** The turn that holds this prompt. */
  turnOf(promptId: PromptId): Turn | null {
    return [...this.turns.values()].find((turn) => turn.prompts.has(promptId)) ?? null;
  }

  items(): readonly TranscriptItem[] {
    return [...this.#items.values()];
  }

  /** Whether that call of a tool is over. */
  hasOutput(callId: string): boolean {
    return this.#items.has(callId);
  }

  /** What the next request to the model holds. */
  conversation(): readonly TranscriptItem[] {
    return this.items().slice(this.#seenFrom);
  }

  /** A turn that a crash has cut and that nobody asked for again. */
  endOpenTurns(why: string): void {
    for (const turn of this.turns.values()) {
      if (turn.end) continue;
      const failure = { class: 'crash', message: `cut: ${why}`, resetAt: null } as const;
      this.append({ type: 'turn-ended', turn: turn.id, outcome: 'interrupted', text: turn.answer ?? '', failure });
    }
  }

  #apply(entry: Entry): void {
    if (entry.type === 'session') return;
    if (entry.type === 'compacted') {
      this.#seenFrom = this.#items.size;
      return;
    }
    if (entry.type === 'prompt') this.#addPrompt(entry);
    const turn = this.turns.get(entry.turn);
    if (!turn) return;
    switch (entry.type) {
      case 'prompt':
        // Whatever was answered before, the model is asked again with this prompt.
        turn.answer = null;
        break;
      case 'begun':
        this.begun.add(entry.call);
        break;
      case 'item':
        this.#items.set(entry.item.id, entry.item);
        if (entry.isAnswer && entry.item.type === 'text') turn.answer = entry.item.text;
        break;
      case 'usage':
        turn.usage.set(entry.step, entry.usage);
        break;
      case 'step-done':
        this.step += 1;
        break;
      case 'turn-ended':
        turn.end = { outcome: entry.outcome, text: entry.text, failure: entry.failure };
        break;
      default:
        entry satisfies never;
    }
  }

  #addPrompt({ id, text, at, turn: turnId, isScripted }: Extract<Entry, { type: 'prompt' }>): void {
    this.#items.set(id, { type: 'user', id, at, text });
    const turn = this.turns.get(turnId);
    if (turn) turn.prompts.add(id);
    else this.turns.set(id, { id, prompts: new Set([id]), answer: null, usage: new Map(), end: null });
    if (!isScripted && this.#hasScript) return;
    this.#hasScript = isScripted;
    this.source = { id, text };
    // The step that is being played counts up once more.
    this.step = turn ? -1 : 0;
  }
}

export const usageOfTurn = (turn: Turn): Usage => [...turn.usage.values()].reduce(addUsage, NO_USAGE);

const fileOf = (store: string, nativeId: string): string => join(store, `${nativeId}.ndjson`);

/** A line that a kill has cut is no entry, and is taken away. */
function entriesOf(file: string): Entry[] {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) truncateSync(file, end);
  return bytes
    .toString('utf8', 0, end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry);
}
