import type { Clock } from '../../base/clock.ts';
import { type Deferred, deferred, pause } from '../../base/wait.ts';
import { FrameTooLarge, SseFrames } from './sse.ts';

export type StreamListener = {
  readonly onFrame: (data: string) => void;
  /** Connected; what happened since the last break was not seen. */
  readonly onOpen: (isFirst: boolean) => void;
  /** `cause` in words. Called before every new try. */
  readonly onBreak: (cause: string) => void;
};

export type StreamOptions = {
  readonly clock: Clock;
  readonly open: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
  readonly listener: StreamListener;
};

/** A server sends a heartbeat every 10 s (OpenCode 1.18.33). */
const SILENCE_MS = 30_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
/** A connection that held so long starts the pauses anew. */
const STEADY_MS = 1_000;
const MAX_FRAME_BYTES = 32 * 1024 * 1024;

/** Reads a server's events for as long as it is open: a break, a silence or a frame over the bound is followed by a new try. */
export class EventStream {
  readonly #options: StreamOptions;
  readonly #over = new AbortController();
  readonly #connected: Deferred<void> = deferred();
  readonly #done: Promise<void>;
  #isFirst = true;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** Resolves when the stream was open for the first time. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  async close(): Promise<void> {
    this.#over.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#over.signal.aborted) {
      const began = this.#options.clock.now();
      const cause = await this.#readOnce();
      if (this.#over.signal.aborted) break;
      this.#options.listener.onBreak(cause);
      if (this.#options.clock.now() - began > STEADY_MS) pauseMs = FIRST_PAUSE_MS;
      await pause(pauseMs, this.#over.signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** One connection, to its end; says why it ended. */
  async #readOnce(): Promise<string> {
    const connection = new AbortController();
    const watch = this.#watch(connection);
    const onOver = (): void => connection.abort();
    this.#over.signal.addEventListener('abort', onOver, { once: true });
    try {
      const frames = new SseFrames(MAX_FRAME_BYTES);
      const chunks = await this.#options.open(connection.signal);
      let isOpen = false;
      for await (const chunk of chunks) {
        watch.restart();
        // Only with its first frame is a stream subscribed.
        if (!isOpen) this.#opened();
        isOpen = true;
        for (const frame of frames.take(chunk)) this.#options.listener.onFrame(frame);
      }
      return 'the server ended it';
    } catch (error) {
      if (error instanceof FrameTooLarge) return error.message;
      if (connection.signal.aborted) return `nothing came for ${SILENCE_MS} ms`;
      return error instanceof Error ? error.message : String(error);
    } finally {
      watch.stop();
      connection.abort();
      this.#over.signal.removeEventListener('abort', onOver);
    }
  }

  #opened(): void {
    this.#options.listener.onOpen(this.#isFirst);
    this.#isFirst = false;
    this.#connected.resolve();
  }

  /** Ends a connection on which nothing comes. */
  #watch(connection: AbortController): { readonly restart: () => void; readonly stop: () => void } {
    let cancel: () => void = () => undefined;
    const restart = (): void => {
      cancel();
      cancel = this.#options.clock.after(SILENCE_MS, () => connection.abort());
    };
    restart();
    return { restart, stop: () => cancel() };
  }
}
