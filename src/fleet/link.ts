import type { WebSocket } from 'ws';
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { type Deferred, deferred } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { CLOSED, MAX_MESSAGE_BYTES, parsed } from './protocol.ts';

/** What waits for the other side's receipt; beyond it the link is given up. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024;
/** Whoever sends much waits until less than this does. */
const DRAINED_BYTES = 4 * 1024 * 1024;
const HEARTBEAT_MS = 10_000;

/** A frame: its number (0: none), the number of the last one that was received, the message. */
const Frame = z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative(), z.unknown()]);

type LinkParts = {
  readonly clock: Clock;
  /** In order, each once. */
  readonly onMessage: (message: unknown) => void;
  /** There is no socket any more; `attach` may bring another one, unless the other side has left. */
  readonly onDetached: (hasLeft: boolean) => void;
  /** It can go on no more: too much waits. */
  readonly onBroken: (why: AppError) => void;
};

/**
 * One end of a conversation that outlives its sockets: every message arrives once and in order, however often the connection
 * is cut in between. What the other side has not confirmed is kept and said again.
 */
export class Link {
  readonly #parts: LinkParts;
  #socket: WebSocket | null = null;
  #sent = 0;
  #received = 0;
  #waiting: { readonly seq: number; readonly text: string }[] = [];
  #waitingBytes = 0;
  #drained: Deferred<void> | null = null;
  #isClosed = false;
  #isReceiptDue = false;
  #isHeard = false;
  #cancelHeartbeat: (() => void) | null = null;

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  /** The number of the last message that was received: to be told to the other side before `attach`. */
  get received(): number {
    return this.#received;
  }

  /** Nothing goes over it any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isAttached(): boolean {
    return this.#socket !== null;
  }

  /** Goes on over this socket; `confirmed`: what the other side has received. */
  attach(socket: WebSocket, confirmed: number): void {
    this.#detach()?.terminate();
    this.#socket = socket;
    this.#isHeard = true;
    this.#confirm(confirmed);
    socket.on('message', (data) => {
      if (this.#socket === socket) this.#take(String(data));
    });
    socket.on('pong', () => {
      this.#isHeard = true;
    });
    socket.once('close', (code) => {
      if (this.#socket !== socket) return;
      this.#detach();
      this.#parts.onDetached(code === CLOSED.left);
    });
    for (const { text } of this.#waiting) socket.send(text);
    this.#armHeartbeat();
  }

  /**
   * Sends now, or as soon as there is a connection.
   * @throws AppError `too_large` for this one message; `backend_failed` if the link is closed; `overloaded` if too much waits
   */
  send(message: unknown): void {
    if (this.#isClosed) throw new AppError('backend_failed', 'the connection is given up');
    const text = JSON.stringify([this.#sent + 1, this.#received, message]);
    if (text.length > MAX_MESSAGE_BYTES)
      throw new AppError('too_large', `a message of more than ${MAX_MESSAGE_BYTES} bytes`);
    this.#sent += 1;
    this.#waiting.push({ seq: this.#sent, text });
    this.#waitingBytes += text.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      const why = new AppError('overloaded', `more than ${MAX_WAITING_BYTES} bytes wait for the other side`);
      this.close();
      this.#parts.onBroken(why);
      throw why;
    }
    this.#socket?.send(text);
  }

  /** Resolves when little waits: between the parts of something large. */
  drained(): Promise<void> {
    if (this.#waitingBytes < DRAINED_BYTES || this.#isClosed) return Promise.resolve();
    this.#drained ??= deferred();
    return this.#drained.promise;
  }

  /** For good: nothing is sent or received any more. `code` and `why` (at most 123 bytes) tell the other side the cause. */
  close(code?: number, why?: string): void {
    this.#isClosed = true;
    const socket = this.#detach();
    if (code === undefined) socket?.close();
    else socket?.close(code, why);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#wake();
  }

  #take(text: string): void {
    const frame = Frame.safeParse(parsed(text));
    // A gap cannot be mended here: on a new connection all is said again.
    if (!frame.success || frame.data[0] > this.#received + 1) {
      this.#socket?.terminate();
      return;
    }
    const [seq, confirmed, message] = frame.data;
    this.#isHeard = true;
    this.#confirm(confirmed);
    if (seq === 0 || seq <= this.#received) return;
    this.#received = seq;
    this.#oweReceipt();
    this.#parts.onMessage(message);
  }

  #confirm(seq: number): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].seq <= seq)
      this.#waitingBytes -= this.#waiting.shift()?.text.length ?? 0;
    if (this.#waitingBytes < DRAINED_BYTES) this.#wake();
  }

  #wake(): void {
    this.#drained?.resolve();
    this.#drained = null;
  }

  /** One receipt for all that came in this turn of the event loop. */
  #oweReceipt(): void {
    if (this.#isReceiptDue) return;
    this.#isReceiptDue = true;
    setImmediate(() => {
      this.#isReceiptDue = false;
      this.#socket?.send(JSON.stringify([0, this.#received, null]));
    });
  }

  #detach(): WebSocket | null {
    const socket = this.#socket;
    this.#socket = null;
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = null;
    return socket;
  }

  /** A connection that says nothing is none. */
  #armHeartbeat(): void {
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = this.#parts.clock.after(HEARTBEAT_MS, () => {
      if (!this.#isHeard) {
        this.#socket?.terminate();
        return;
      }
      this.#isHeard = false;
      this.#socket?.ping();
      this.#armHeartbeat();
    });
  }
}
