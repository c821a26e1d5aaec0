import { once } from 'node:events';
import { WebSocket } from 'ws';
import { deferred, within } from '../../src/base/wait.ts';
import type { Fact, StreamMessage } from '../../src/contract/fact.ts';

/** A fact with the moment when its bytes were here, in the clock of Date.now(). */
export type Arrival = { readonly fact: Fact; readonly at: number };

const LIMIT_MS = 120_000;

/** Now, finer than a millisecond. */
export const clockNow = (): number => performance.timeOrigin + performance.now();

/** A WebSocket reader of the journal. Trusts what comes: checking it would be measured too. */
export class FactWatch implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #waiting = new Set<(arrival: Arrival) => void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const at = clockNow();
      const message = JSON.parse(String(data)) as StreamMessage;
      if (message.type === 'gap') throw new Error('the reader of the benchmark was too slow');
      if (message.type === 'fact') for (const look of this.#waiting) look({ fact: message.fact, at });
    });
  }

  static async open(url: string, token: string, query: string): Promise<FactWatch> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream${query}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const watch = new FactWatch(socket);
    await once(socket, 'open');
    return watch;
  }

  /** The next one that fits, from now on. */
  async next(what: string, fits: (fact: Fact) => boolean): Promise<Arrival> {
    const found = deferred<Arrival>();
    const look = (arrival: Arrival): void => {
      if (fits(arrival.fact)) found.resolve(arrival);
    };
    this.#waiting.add(look);
    try {
      return await within(found.promise, LIMIT_MS, () => new Error(`not seen within ${LIMIT_MS} ms: ${what}`));
    } finally {
      this.#waiting.delete(look);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    if (this.#socket.readyState !== WebSocket.CLOSED) await once(this.#socket, 'close');
  }
}
