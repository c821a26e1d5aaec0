import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { AppError } from '../contract/errors.ts';
import { FactReader, type Sink, type StreamLimits, type Wanted } from './fact-reader.ts';
import { eventSink, webSocketSink } from './sinks.ts';

export const STREAM_PATH = '/api/v1/stream';

export const STREAM_LIMITS: StreamLimits = {
  maxBufferBytes: 262_144,
  maxLagFacts: 20_000,
  maxLagMs: 60_000,
  heartbeatMs: 15_000,
  maxUnanswered: 1,
  maxReaders: 256,
};

/**
 * The listener is called after every commit that wrote facts, with the newest position, and whether they are all events
 * of outside programs. The answer stops that.
 */
export type OnCommit = (listener: (head: number, isOfEvents: boolean) => void) => () => void;

type StreamsParts = {
  readonly onCommit: OnCommit;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: StreamLimits;
  /** Whether a reader may send something, which is ignored; else it is told that this stream takes no messages. */
  readonly isTalkative: boolean;
  /** ms: events of outside programs that nothing else follows are told of together after so long. 0: at once, each. */
  readonly eventsAfterMs: number;
};

/** What a reader may send at once, bytes. */
const MAX_SAID = 1_048_576;

type Reading = { readonly sink: Sink; readonly reader: FactReader; readonly isStillValid: () => boolean };

/** All readers of the journal. Commits wake them; each reads from its own cursor. */
export class Streams {
  readonly #parts: StreamsParts;
  readonly #readings = new Set<Reading>();
  readonly #sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_SAID,
    clientTracking: false,
  });
  readonly #unsubscribe: () => void;
  #cancelHeartbeat: (() => void) | null = null;
  /** The newest position that a commit has told. */
  #head = 0;
  #isWakeQueued = false;
  #cancelLater: (() => void) | null = null;
  #isClosed = false;

  constructor(parts: StreamsParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.onCommit((head, isOfEvents) => this.#wake(head, isOfEvents));
  }

  /** How many are open. */
  get count(): number {
    return this.#readings.size;
  }

  /** @throws AppError overloaded */
  requireRoom(): void {
    const { maxReaders } = this.#parts.limits;
    if (this.#isClosed) throw new AppError('overloaded', 'the daemon stops');
    if (this.#readings.size >= maxReaders) throw new AppError('overloaded', `${maxReaders} streams are open already`);
  }

  /** Answers with server-sent events until either side ends. */
  openEvents(response: ServerResponse, wanted: Wanted, isStillValid: () => boolean): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    response.flushHeaders();
    response.socket?.setKeepAlive(true, this.#parts.limits.heartbeatMs);
    response.on('error', () => response.destroy());
    response.once('close', this.#open(eventSink(response), wanted, isStillValid));
  }

  /** Completes the handshake of a WebSocket and feeds it until either side ends. */
  openSocket(
    { incoming, socket, head }: { readonly incoming: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
    wanted: Wanted,
    isStillValid: () => boolean,
  ): void {
    this.#sockets.handleUpgrade(incoming, socket, head, (ws) => {
      ws.on('error', () => ws.terminate());
      // Reading it keeps pongs and the end coming.
      if (this.#parts.isTalkative) ws.on('message', () => undefined);
      else ws.on('message', () => ws.close(1003, 'this stream takes no messages'));
      ws.once('close', this.#open(webSocketSink(ws, socket), wanted, isStillValid));
    });
  }

  /** Ends the streams whose token is no longer valid. */
  recheck(): void {
    for (const { reader, isStillValid } of this.#readings) {
      if (!isStillValid()) reader.end('unauthorized');
    }
  }

  /** Takes no new readers and asks those there are to leave. */
  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#cancelLater?.();
    for (const { reader } of this.#readings) reader.end('stopping');
  }

  /** Cuts off who has not left. */
  terminate(): void {
    for (const { sink } of this.#readings) sink.terminate();
  }

  /** What is to be called when the connection has ended. */
  #open(sink: Sink, wanted: Wanted, isStillValid: () => boolean): () => void {
    const { clock, limits } = this.#parts;
    const onFailure = (error: unknown): void => this.#parts.log.error({ err: error }, 'a stream could not be read');
    const reader = new FactReader(sink, { ...wanted, clock, limits, onFailure });
    const reading = { sink, reader, isStillValid };
    this.#readings.add(reading);
    if (this.#cancelHeartbeat === null) this.#armHeartbeat();
    reader.pump();
    return () => {
      reader.stop();
      this.#readings.delete(reading);
      if (this.#readings.size > 0) return;
      this.#cancelHeartbeat?.();
      this.#cancelHeartbeat = null;
    };
  }

  /** Not inside of the commit, but right after it: all commits of one turn wake the readers once. */
  #wake(head: number, isOfEvents: boolean): void {
    this.#head = head;
    if (this.#isWakeQueued || this.#readings.size === 0) return;
    const { clock, eventsAfterMs } = this.#parts;
    if (isOfEvents && eventsAfterMs > 0) {
      this.#cancelLater ??= clock.after(eventsAfterMs, () => {
        this.#cancelLater = null;
        this.#pump();
      });
      return;
    }
    this.#isWakeQueued = true;
    queueMicrotask(() => {
      this.#isWakeQueued = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (const { reader } of this.#readings) reader.pump(this.#head);
  }

  #heartbeat(): void {
    this.recheck();
    for (const { reader } of this.#readings) reader.heartbeat();
    this.#armHeartbeat();
  }

  #armHeartbeat(): void {
    const { clock, limits } = this.#parts;
    this.#cancelHeartbeat = this.#readings.size > 0 ? clock.after(limits.heartbeatMs, () => this.#heartbeat()) : null;
  }
}
