import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Log } from '../../base/log.ts';
import { type Deferred, deferred } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { SearchRange } from './index.ts';
import { expressionOf, type SearchQuery } from './query.ts';
import type { SearchAnswer, SearchAsk } from './worker.ts';

/** Questions that wait at once. */
const MAX_WAITING = 100;

export type Found = {
  /** In the order that was asked for. */
  readonly seqs: readonly number[];
  /** Up to which position facts are found by now. */
  readonly cursor: number;
};

/** The full-text search, in a thread of its own: neither indexing nor a hard question holds up the daemon. */
export class Search implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Deferred<Found>>();
  readonly #ended: Promise<void>;
  #last = 0;
  #isClosed = false;

  /** `journal` is the store's file, `file` the index's own. */
  constructor(journal: string, file: string, log: Log) {
    const path = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    this.#worker = new Worker(fileURLToPath(new URL(path, import.meta.url)), { workerData: { journal, file } });
    this.#worker.unref();
    this.#worker.on('message', (answer: SearchAnswer) => {
      const waiting = answer.id === null ? undefined : this.#waiting.get(answer.id);
      if (answer.id !== null) this.#waiting.delete(answer.id);
      if (answer.type === 'found') waiting?.resolve(answer);
      else if (waiting) waiting.reject(new AppError('internal', `the search failed: ${answer.message}`));
      else log.error({ cause: answer.message }, 'new facts could not be indexed');
    });
    const ended = deferred<void>();
    this.#worker.on('error', (error) => log.error({ err: error }, 'the search ended'));
    this.#worker.once('exit', () => {
      this.#isClosed = true;
      for (const waiting of this.#waiting.values()) waiting.reject(new AppError('overloaded', 'the search has ended'));
      ended.resolve();
    });
    this.#ended = ended.promise;
  }

  /** There are new facts. */
  wake(): void {
    if (!this.#isClosed) this.#ask({ type: 'wake' });
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
    // A process that has nothing else to wait for would end before the thread has, as after a start that failed.
    this.#worker.ref();
    if (!this.#isClosed) this.#ask({ type: 'close' });
    await this.#ended;
  }

  #ask(ask: SearchAsk): void {
    this.#worker.postMessage(ask);
  }
}
