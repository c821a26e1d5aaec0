import type { Clock } from '../base/clock.ts';
import type { Frame, FrameSource } from './frames.ts';

export type StreamLimits = {
  /** Bytes that wait in the daemon for one reader; over it the reader is not fed. One fact may exceed it. */
  readonly maxBufferBytes: number;
  /** A live reader that falls behind by more facts, or for longer, is told of a gap and goes on at the head. */
  readonly maxLagFacts: number;
  readonly maxLagMs: number;
  readonly heartbeatMs: number;
  /** A peer that left so many pings without an answer is cut off at the next. */
  readonly maxUnanswered: number;
  readonly maxReaders: number;
};

/** Why the daemon ends a stream. */
export type EndReason = 'stopping' | 'unauthorized' | 'failed' | 'slow';

/** The connection of one reader. */
export type Sink = {
  readonly bufferedBytes: () => number;
  /** `onSent` is called when the operating system took it, or never will. */
  readonly send: (frame: Frame, onSent: () => void) => void;
  /** `onAlive` is called when the peer answers; where it cannot, when the operating system took the ping. */
  readonly ping: (onAlive: () => void) => void;
  /** What is sent in between goes out together. */
  readonly cork: () => void;
  readonly uncork: () => void;
  readonly end: (reason: EndReason) => void;
  readonly terminate: () => void;
};

/** What a reader gets, and from where. */
export type Wanted = {
  readonly source: FrameSource;
  /** Null = from now on. */
  readonly since: number | null;
  /** Goes out before everything else. */
  readonly first?: Frame | null;
};

type ReaderOptions = Wanted & {
  readonly clock: Clock;
  readonly limits: StreamLimits;
  /** Called when the journal cannot be read; the stream has been ended. */
  readonly onFailure: (error: unknown) => void;
};

/** Facts per read: how long one reader may hold the event loop. */
const MAX_PAGE = 100;

/**
 * Feeds one reader from its cursor. Nothing is queued for it but what its connection has not taken yet: while that is
 * too much, the journal waits. A reader that has never been live may take as long as it needs; one that was live and
 * fell behind too far skips to the head with a `gap`.
 */
export class FactReader {
  readonly #sink: Sink;
  readonly #source: FrameSource;
  readonly #clock: Clock;
  readonly #limits: StreamLimits;
  readonly #onFailure: (error: unknown) => void;
  #cursor: number;
  /** The position that the reader knows it has. */
  #told = -1;
  /** `live` was sent, and no gap since. */
  #isLive = false;
  /** When the reader was first blocked without having come to the head since. */
  #behindSince: number | null = null;
  /** What is read beyond the connection's bound is read again: large facts are read in small pages. */
  #pageSize = MAX_PAGE;
  #isBlocked = false;
  #isPumping = false;
  #unanswered = 0;
  #first: Frame | null;
  #isEnded = false;

  constructor(sink: Sink, { source, clock, limits, since, first = null, onFailure }: ReaderOptions) {
    this.#sink = sink;
    this.#source = source;
    this.#first = first;
    this.#clock = clock;
    this.#limits = limits;
    this.#onFailure = onFailure;
    this.#cursor = since ?? source.head();
  }

  /** Sends what there is and the connection takes. `known`: the newest position, if it was just told. */
  readonly pump = (known?: number): void => {
    if (this.#isPumping || this.#isEnded) return;
    this.#isPumping = true;
    try {
      const head = known !== undefined && known >= this.#cursor ? known : this.#source.head();
      while (this.#step(head));
    } catch (error) {
      this.end('failed');
      this.#onFailure(error);
    } finally {
      this.#isPumping = false;
    }
  };

  /** Cuts off a connection that showed no sign of life since the last heartbeat, or was ended and is still there. */
  heartbeat(): void {
    if (this.#isEnded || this.#unanswered >= this.#limits.maxUnanswered) {
      this.#isEnded = true;
      this.#sink.terminate();
      return;
    }
    this.#unanswered += 1;
    this.#sink.ping(() => {
      this.#unanswered = 0;
    });
    // A reader with a filter learns how far it has come though nothing was for it.
    if (this.#isLive && !this.#isBlocked && this.#cursor > this.#told) this.#sendLive();
  }

  /** Ends the connection. */
  end(reason: EndReason): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#sink.end(reason);
  }

  /** The connection has ended. */
  stop(): void {
    this.#isEnded = true;
  }

  /** True if there may be more to do at once. */
  #step(head: number): boolean {
    if (this.#first !== null) {
      const first = this.#first;
      this.#first = null;
      this.#send(first);
    }
    if (this.#isFull()) return false;
    if (this.#isTooFarBehind(head)) return this.#skip(head, null);
    if (this.#cursor > head) return this.#skip(head, head);
    if (this.#cursor === head) {
      this.#behindSince = null;
      if (!this.#isLive) this.#sendLive();
      return false;
    }
    const page = this.#source.after(this.#cursor, { head, limit: this.#pageSize });
    if (this.#cursor < page.prunedTo) return this.#skip(head, page.prunedTo);
    if (!this.#sendAll(page.frames)) return false;
    this.#pageSize = Math.min(this.#pageSize * 2, MAX_PAGE);
    this.#cursor = page.next;
    if (page.next >= head) return true;
    // Others get their turn between the pages of a long way.
    setImmediate(() => this.pump());
    return false;
  }

  /** False: the connection takes no more of them. */
  #sendAll(frames: readonly Frame[]): boolean {
    // One alone goes out at once, without the detour of several.
    const isTogether = frames.length > 1;
    if (isTogether) this.#sink.cork();
    try {
      for (const [i, frame] of frames.entries()) {
        this.#send(frame);
        if (!this.#isFull()) continue;
        this.#pageSize = Math.min(i + 1, MAX_PAGE);
        return false;
      }
      return true;
    } finally {
      if (isTogether) this.#sink.uncork();
    }
  }

  #isFull(): boolean {
    this.#isBlocked = this.#sink.bufferedBytes() >= this.#limits.maxBufferBytes;
    if (this.#isBlocked) this.#behindSince ??= this.#clock.now();
    return this.#isBlocked;
  }

  #isTooFarBehind(head: number): boolean {
    // Much at once is no lag: only a reader that did not take what it was given is slow.
    if (head <= this.#cursor || !this.#isLive || this.#behindSince === null) return false;
    const lagMs = this.#clock.now() - this.#behindSince;
    return head - this.#cursor > this.#limits.maxLagFacts || lagMs > this.#limits.maxLagMs;
  }

  #skip(head: number, prunedTo: number | null): boolean {
    const gap = this.#source.gap(this.#cursor, { head, prunedTo });
    if (gap === null) {
      this.end('slow');
      return false;
    }
    this.#isLive = false;
    this.#behindSince = null;
    this.#send(gap);
    return true;
  }

  #sendLive(): void {
    this.#isLive = true;
    const live = this.#source.live(this.#cursor);
    if (live !== null) this.#send(live);
  }

  #send(frame: Frame): void {
    this.#cursor = frame.seq;
    this.#told = frame.seq;
    this.#sink.send(frame, this.#onSent);
  }

  readonly #onSent = (): void => {
    if (!this.#isBlocked) return;
    this.#unanswered = 0;
    this.pump();
  };
}
