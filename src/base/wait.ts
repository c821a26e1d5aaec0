/** A promise with its handles outside. */
export type Deferred<T> = {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: Error) => void;
};

export function deferred<T>(): Deferred<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // A rejection that nobody waits for yet must not end the process.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

type Wait = { readonly resolve: (value: never) => void; readonly reject: (reason: Error) => void };

/** Who waits for a promise beside others, until it settles. */
const waits = new WeakMap<Promise<unknown>, Set<Wait>>();

/**
 * As `Promise.race`, where one of them may outlive many waits: `Promise.race` leaves something behind at every one of them
 * that goes only when it settles (https://github.com/nodejs/node/issues/17469).
 */
export async function firstOf<T>(promises: readonly Promise<T>[]): Promise<T> {
  const first = deferred<T>();
  for (const promise of promises) waitsFor(promise).add(first);
  try {
    return await first.promise;
  } finally {
    for (const promise of promises) waits.get(promise)?.delete(first);
  }
}

function waitsFor(promise: Promise<unknown>): Set<Wait> {
  const known = waits.get(promise);
  if (known) return known;
  const made = new Set<Wait>();
  waits.set(promise, made);
  // Whoever comes after that finds it settled.
  const settle = (tell: (wait: Wait) => void): void => {
    waits.delete(promise);
    for (const wait of made) tell(wait);
  };
  promise.then(
    (value) => settle((wait) => wait.resolve(value as never)),
    (error) => settle((wait) => wait.reject(error)),
  );
  return made;
}

/**
 * Waits at most `ms` for `promise`; after that `onLimit` makes the error.
 * The promise itself is not stopped: hand a signal to whoever does the work.
 */
export async function within<T>(promise: Promise<T>, ms: number, onLimit: () => Error): Promise<T> {
  const limit = deferred<never>();
  const timer = setTimeout(() => limit.reject(onLimit()), ms);
  try {
    return await Promise.race([promise, limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the promise gives; null if it takes longer. */
export async function settled<T>(promise: Promise<T>, limitMs: number): Promise<T | null> {
  const late = new Error('late');
  try {
    return await within(promise, limitMs, () => late);
  } catch (error) {
    if (error === late) return null;
    throw error;
  }
}

/** Resolves after `ms`, or at once when `signal` aborts; says which. For back-off and polling a fact, never for readiness. */
export async function pause(ms: number, signal?: AbortSignal): Promise<'elapsed' | 'aborted'> {
  if (signal?.aborted) return 'aborted';
  const done = deferred<'elapsed' | 'aborted'>();
  const timer = setTimeout(() => done.resolve('elapsed'), ms);
  const onAbort = (): void => done.resolve('aborted');
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await done.promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * Asks `check` until it answers something other than null, every `everyMs`, at most `limitMs`.
 * For facts that only polling can see: another process's health page, a file of a foreign program.
 */
export async function until<T>(
  check: () => Promise<T | null> | T | null,
  limits: { readonly everyMs: number; readonly limitMs: number; readonly signal?: AbortSignal },
  onLimit: () => Error,
): Promise<T> {
  const end = performance.now() + limits.limitMs;
  for (;;) {
    const answer = await check();
    if (answer !== null) return answer;
    if (performance.now() >= end || limits.signal?.aborted) throw onLimit();
    await pause(limits.everyMs, limits.signal);
  }
}
