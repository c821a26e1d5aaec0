import type { BackendEvent, EndReason } from '../../backends/backend.ts';
import { type Deferred, deferred } from '../../base/wait.ts';
import type { PromptId } from '../../contract/ids.ts';
import type { Usage } from '../../contract/usage.ts';

/** Turns that are over and still remembered: whoever gave a prompt takes its end before so many others are given. */
const MOST_OVER = 100;

export type TurnEnd = Extract<BackendEvent, { type: 'turn-ended' }>;
/** What a wait for a turn's end can see. */
export type TurnResult =
  | { readonly type: 'turn'; readonly turn: TurnEnd }
  | { readonly type: 'ended'; readonly reason: EndReason };

/** The turns of one live session: how each ends, and what it is known to have used. */
export class SessionTurns {
  readonly #results = new Map<PromptId, Deferred<TurnResult>>();
  readonly #used = new Map<PromptId, Usage>();
  /** Prompts whose turn runs, oldest first. */
  readonly #running: PromptId[] = [];
  /** Prompts whose turn is over, oldest first. */
  readonly #over: PromptId[] = [];
  #reason: EndReason | null = null;

  /** Resolves when the prompt's turn is over, or the session. */
  end(id: PromptId): Promise<TurnResult> {
    return this.#result(id).promise;
  }

  /** What a prompt's turn used as far as it was told, also one without an end; null: nothing. */
  usedBy(id: PromptId): Usage | null {
    return this.#used.get(id) ?? null;
  }

  began(id: PromptId): void {
    this.#running.push(id);
  }

  /** A running sum is of all prompts that share the turn: the oldest one has it. */
  uses(usage: Usage): void {
    const [oldest] = this.#running;
    if (oldest !== undefined) this.#used.set(oldest, usage);
  }

  /** Known already, told later: see `ended`. */
  counted({ promptId, usage }: TurnEnd): void {
    this.#used.set(promptId, usage);
    const at = this.#running.indexOf(promptId);
    if (at >= 0) this.#running.splice(at, 1);
  }

  /** Tells whoever waits for it. */
  ended(turn: TurnEnd): void {
    this.#result(turn.promptId).resolve({ type: 'turn', turn });
    this.#over.push(turn.promptId);
    for (const id of this.#over.splice(0, Math.max(0, this.#over.length - MOST_OVER))) {
      this.#results.delete(id);
      this.#used.delete(id);
    }
  }

  /** No turn of it ends any more. */
  sessionEnded(reason: EndReason): void {
    this.#reason = reason;
    for (const result of this.#results.values()) result.resolve({ type: 'ended', reason });
  }

  #result(id: PromptId): Deferred<TurnResult> {
    const known = this.#results.get(id);
    if (known) return known;
    const made = deferred<TurnResult>();
    if (this.#reason) made.resolve({ type: 'ended', reason: this.#reason });
    this.#results.set(id, made);
    return made;
  }
}
