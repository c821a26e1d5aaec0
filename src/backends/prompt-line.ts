import { type Deferred, deferred } from '../base/wait.ts';
import type { Failure } from '../contract/failure.ts';
import type { PromptId } from '../contract/ids.ts';
import type { MessageMode } from '../contract/message.ts';
import type { Prompt, PromptReceipt } from './backend.ts';

/** What takes the prompts of a session: one turn at a time. */
export type PromptTaker = {
  /** Null while prompts are taken. */
  readonly over: () => Failure | null;
  readonly isRunning: () => boolean;
  /** Whether the running turn is about that prompt. */
  readonly has: (id: PromptId) => boolean;
  readonly send: (prompt: Prompt) => Promise<PromptReceipt>;
  readonly interrupt: () => Promise<void>;
  /** What nobody waits for has failed: it changes nothing but is to be said. */
  readonly notice: (text: string) => void;
};

type Waiting = { readonly prompt: Prompt; readonly receipt: Deferred<PromptReceipt> };

/** The prompts of one session on their way to its program: in order, each once, with the three modes. */
export class PromptLine {
  readonly #taker: PromptTaker;
  /** Prompts that the program has not taken or refused yet, and those of them that wait for the running turn. */
  readonly #pending = new Map<PromptId, Promise<PromptReceipt>>();
  #line: Waiting[] = [];
  #isSending = false;

  constructor(taker: PromptTaker) {
    this.#taker = taker;
  }

  add(prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> {
    const known = this.#pending.get(prompt.id);
    if (known !== undefined) return known;
    const { isRunning, has, interrupt, over } = this.#taker;
    const waiting = { prompt, receipt: deferred<PromptReceipt>() };
    this.#pending.set(prompt.id, waiting.receipt.promise);
    void waiting.receipt.promise.finally(() => this.#pending.delete(prompt.id));
    const failure = over();
    if (failure) waiting.receipt.resolve({ type: 'refused', failure });
    else if (mode === 'steer' && isRunning()) void this.#send(waiting);
    else if (mode === 'interrupt' && isRunning() && !has(prompt.id)) {
      this.#line.unshift(waiting);
      // If the interruption fails, the turn's own end is waited for.
      interrupt().catch((error: unknown) => this.#taker.notice(wordsOf(error)));
    } else this.#line.push(waiting);
    this.pump();
    return waiting.receipt.promise;
  }

  /** Hands the next prompt over, if no turn runs. To be called at every end of a turn. */
  pump(): void {
    if (this.#isSending || this.#taker.isRunning()) return;
    const next = this.#line.shift();
    if (!next) return;
    this.#isSending = true;
    void this.#send(next).finally(() => {
      this.#isSending = false;
      this.pump();
    });
  }

  /** Nothing that waits will be sent any more. */
  refuse(failure: Failure): void {
    for (const { receipt } of this.#line) receipt.resolve({ type: 'refused', failure });
    this.#line = [];
  }

  async #send({ prompt, receipt }: Waiting): Promise<void> {
    try {
      receipt.resolve(await this.#taker.send(prompt));
    } catch (error) {
      receipt.resolve({ type: 'refused', failure: { class: 'protocol', message: wordsOf(error), resetAt: null } });
    }
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
