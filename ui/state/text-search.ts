/** A pattern that needs longer for so many texts is given up. */
const LIMIT_MS = 1_000;
const AT_ONCE = 1_000;

export class SearchProblem extends Error {}

/** Searches texts with a regular expression, off the page's thread and with a limit. */
export class TextSearch {
  #worker: Worker | null = null;
  #questions = 0;

  /** For each text whether the pattern is in it. @throws SearchProblem for a pattern that is none or takes too long */
  async test(pattern: string, texts: readonly string[], signal: AbortSignal): Promise<boolean[]> {
    assertPattern(pattern);
    const found: boolean[] = [];
    for (let from = 0; from < texts.length && !signal.aborted; from += AT_ONCE) {
      found.push(...(await this.#ask(pattern, texts.slice(from, from + AT_ONCE))));
    }
    return found;
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }

  async #ask(pattern: string, texts: readonly string[]): Promise<readonly boolean[]> {
    this.#worker ??= new Worker(new URL('./search.worker.ts', import.meta.url), { type: 'module' });
    const worker = this.#worker;
    this.#questions += 1;
    const id = this.#questions;
    const { promise, resolve, reject } = Promise.withResolvers<readonly boolean[]>();
    const onMessage = ({ data }: MessageEvent<{ readonly id: number; readonly found: readonly boolean[] }>): void => {
      if (data.id === id) resolve(data.found);
    };
    worker.addEventListener('message', onMessage);
    const timer = setTimeout(() => {
      this.close();
      reject(new SearchProblem('the pattern takes too long'));
    }, LIMIT_MS);
    worker.postMessage({ id, pattern, texts });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      worker.removeEventListener('message', onMessage);
    }
  }
}

/** @throws SearchProblem */
function assertPattern(pattern: string): void {
  try {
    new RegExp(pattern, 'iu');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SearchProblem(error.message);
  }
}

/** A pattern that stands for exactly these words. */
export const literally = (words: string): string => words.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
