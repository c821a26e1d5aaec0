import type { ReadStream } from 'node:tty';

/** Calls `act` when the person asks for the end: Ctrl-C. The answer stops listening. */
export function onInterrupt(act: () => void): () => void {
  process.on('SIGINT', act);
  return () => process.off('SIGINT', act);
}

/**
 * Ctrl-C over a stretch of work with several parts: one that comes while no part listens is kept for the next, and never
 * ends the process.
 */
export class Interrupts implements Disposable {
  #act: (() => void) | null = null;
  #kept = 0;

  constructor() {
    process.on('SIGINT', this.fire);
  }

  readonly fire = (): void => {
    if (this.#act === null) this.#kept += 1;
    else this.#act();
  };

  /** The answer stops listening. */
  listen(act: () => void): () => void {
    this.#act = act;
    for (; this.#kept > 0; this.#kept -= 1) act();
    return () => {
      this.#act = null;
    };
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.fire);
  }
}

/** Single keys of a terminal, unseen by its line editing; Ctrl-C then comes as a key and goes to `onCtrlC`. */
export function listenToKeys(stdin: ReadStream, onKey: (key: string) => void, onCtrlC: () => void): () => void {
  const read = (data: Buffer): void => {
    for (const key of data.toString('utf8')) {
      if (key === '\u0003') onCtrlC();
      else onKey(key);
    }
  };
  stdin.setRawMode(true);
  stdin.on('data', read);
  stdin.resume();
  return () => {
    stdin.off('data', read);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
