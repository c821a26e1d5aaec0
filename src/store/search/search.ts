import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { type Deferred, deferred } from '../../base/wait.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { SearchRange } from './index.ts';
import { expressionOf, type SearchQuery } from './query.ts';
import type { SearchAnswer, SearchAsk } from './worker.ts';

/** Questions that wait at once. */
const MAX_WAITING = 100;
/** So many facts may be new to the index before they are taken in without being asked for. */
const MAX_BEHIND = 1_000;
/** A thread costs 24 MB: after so long without work it ends. */
const IDLE_MS = 30_000;

export type Found = {
  /** In the order that was asked for. */
  readonly seqs: readonly number[];
  /** Up to which position facts are found by now. */
  readonly cursor: number;
};

/**
 * The full-text search, in a thread of its own: neither indexing nor a hard question holds up the daemon. The thread is
 * there while there is work for it: a question, or many new facts.
 */
export class Search implements AsyncDisposable {
  readonly #files: { readonly journal: string; readonly file: string };
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<number, Deferred<Found>>();
  #thread: { readonly worker: Worker; readonly ended: Promise<void> } | null = null;
  #cancelIdle: (() => void) | null = null;
  /** Up to which position the index is known to be. */
  #cursor = 0;
  #last = 0;
  #isClosed = false;

  /** `journal` is the store's file, `file` the index's own. */
  constructor(files: { readonly journal: string; readonly file: string }, clock: Clock, log: Log) {
    this.#files = files;
    this.#clock = clock;
    this.#log = log;
  }

  /** There are new facts, up to `head`. */
  wake(head: number): void {
    if (!this.#isClosed && (this.#thread !== null || head - this.#cursor >= MAX_BEHIND)) this.#ask({ type: 'wake' });
  }

  /**
   * Null: the index cannot tell, as nothing that is asked for is in it.
   * @throws AppError bad_request for words that say nothing; overloaded
   */
  async find(query: SearchQuery, range: SearchRange): Promise<Found | null> {
    const match = expressionOf(query);
    if (match === null) return null;
    if (this.#isClosed || this.#waiting.size >= MAX_WAITING) throw new AppError('overloaded', 'the search is busy');
    this.#last += 1;
    const answer = deferred<Found>();
    this.#waiting.set(this.#last, answer);
    this.#ask({ type: 'find', id: this.#last, match, range });
    return await answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#cancelIdle?.();
    await this.#end();
  }

  async #end(): Promise<void> {
    const thread = this.#thread;
    if (thread === null) return;
    // A question from now on gets a thread of its own.
    this.#thread = null;
    // A process that has nothing else to wait for would end before the thread has, as after a start that failed.
    thread.worker.ref();
    thread.worker.postMessage({ type: 'close' } satisfies SearchAsk);
    await thread.ended;
  }

  #ask(ask: SearchAsk): void {
    this.#cancelIdle?.();
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => {
      if (this.#waiting.size === 0) void this.#end();
    });
    this.#thread ??= this.#start();
    this.#thread.worker.postMessage(ask);
  }

  #start(): { readonly worker: Worker; readonly ended: Promise<void> } {
    const path = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const worker = new Worker(fileURLToPath(new URL(path, import.meta.url)), {
      workerData: this.#files,
      // Saves 10 MB: what is indexed is soon forgotten.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    const ended = deferred<void>();
    worker.unref();
    worker.on('message', (answer: SearchAnswer) => this.#answered(answer));
    let cause = 'the search has ended';
    worker.on('error', (error) => {
      cause = `the search has ended: ${toAppError(error).message}`;
      this.#log.error({ err: error }, 'the search ended');
    });
    worker.once('exit', () => {
      ended.resolve();
      const isReplaced = this.#thread !== null && this.#thread.worker !== worker;
      if (isReplaced) return;
      this.#thread = null;
      for (const waiting of this.#waiting.values()) waiting.reject(new AppError('overloaded', cause));
      this.#waiting.clear();
    });
    return { worker, ended: ended.promise };
  }

  #answered(answer: SearchAnswer): void {
    if (answer.type === 'indexed') {
      this.#cursor = answer.cursor;
      return;
    }
    const waiting = answer.id === null ? undefined : this.#waiting.get(answer.id);
    if (answer.id !== null) this.#waiting.delete(answer.id);
    if (answer.type === 'found') waiting?.resolve(answer);
    else if (waiting) waiting.reject(new AppError('internal', `the search failed: ${answer.message}`));
    else this.#log.error({ cause: answer.message }, 'new facts could not be indexed');
  }
}
