import { createHash } from 'node:crypto';
import { AppError } from '../contract/errors.ts';

/** What is remembered of an `Idempotency-Key`. */
export type Begun =
  /** Nobody used the key: it is taken now, before anything happens. */
  | { readonly type: 'new' }
  /** The call with this key was answered so. */
  | { readonly type: 'finished'; readonly inputHash: string; readonly answer: string }
  /** The call with this key was begun and its end is not known: the daemon died in it. */
  | { readonly type: 'unfinished'; readonly inputHash: string };

/** Keeps the keys over restarts. `scope` is a token and an operation. */
export type IdempotencyKeys = {
  readonly begin: (scope: string, key: string, inputHash: string) => Begun;
  readonly finish: (scope: string, key: string, answer: string) => void;
  /** The call failed: the key is free again. */
  readonly abandon: (scope: string, key: string) => void;
};

/** The answer is JSON text. */
export type Answer = { readonly body: string; readonly isReplayed: boolean };

/** Runs each call with an `Idempotency-Key` once: later and concurrent ones get the answer of the first. */
export class IdempotentRuns {
  readonly #keys: IdempotencyKeys;
  readonly #running = new Map<string, { readonly inputHash: string; readonly body: Promise<string> }>();

  constructor(keys: IdempotencyKeys) {
    this.#keys = keys;
  }

  /**
   * An answer is kept only for a call that succeeded; a failed one may be tried again with the same key.
   * @throws AppError bad_request, idempotency_mismatch, conflict (the outcome is not known); whatever `run` throws
   */
  async run(scope: string, key: string, input: unknown, run: () => Promise<string>): Promise<Answer> {
    if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
      throw new AppError('bad_request', 'an Idempotency-Key is 1 to 255 visible ASCII characters');
    }
    const inputHash = hashOf(input);
    const id = `${scope} ${key}`;
    const running = this.#running.get(id);
    if (running) {
      requireSame(running.inputHash, inputHash);
      return { body: await running.body, isReplayed: true };
    }
    const begun = this.#keys.begin(scope, key, inputHash);
    if (begun.type !== 'new') {
      requireSame(begun.inputHash, inputHash);
      if (begun.type === 'finished') return { body: begun.answer, isReplayed: true };
      throw new AppError(
        'conflict',
        'the first call with this Idempotency-Key was cut off: look whether it took effect',
      );
    }
    const body = this.#runOnce(scope, key, run);
    this.#running.set(id, { inputHash, body });
    try {
      return { body: await body, isReplayed: false };
    } finally {
      this.#running.delete(id);
    }
  }

  async #runOnce(scope: string, key: string, run: () => Promise<string>): Promise<string> {
    let body: string;
    try {
      body = await run();
    } catch (error) {
      this.#keys.abandon(scope, key);
      throw error;
    }
    this.#keys.finish(scope, key, body);
    return body;
  }
}

function requireSame(first: string, now: string): void {
  if (first !== now) throw new AppError('idempotency_mismatch', 'this Idempotency-Key came with another input before');
}

const hashOf = (input: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(sorted(input)))
    .digest('hex');

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
