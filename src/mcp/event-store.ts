import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';

const MAX_PER_STREAM = 1_000;
const MAX_AGE_MS = 3_600_000;
/** Of one session; the newest event is always kept. */
const MAX_CHARACTERS = 4_000_000;

type Kept = { readonly id: string; readonly at: number; readonly size: number; readonly message: JSONRPCMessage };

/** What the streams of one session have sent, for a client that comes back with `Last-Event-ID`. Bounded: the oldest goes first. */
export class SessionEvents implements EventStore {
  readonly #clock: Clock;
  readonly #streams = new Map<string, Kept[]>();
  #count = 0;
  #characters = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get total(): number {
    return [...this.#streams.values()].reduce((sum, kept) => sum + kept.length, 0);
  }

  async storeEvent(streamId: string, message: JSONRPCMessage): Promise<string> {
    this.#count += 1;
    const id = `${streamId}.${this.#count}`;
    const kept = this.#streams.get(streamId) ?? [];
    // The stream that was written to last is the last one to lose something.
    this.#streams.delete(streamId);
    this.#streams.set(streamId, kept);
    const size = JSON.stringify(message).length;
    kept.push({ id, at: this.#clock.now(), size, message });
    this.#characters += size;
    if (kept.length > MAX_PER_STREAM) this.#drop(streamId, kept);
    this.#tidy();
    return id;
  }

  async getStreamIdForEventId(eventId: string): Promise<string | undefined> {
    const streamId = streamOf(eventId);
    return this.#streams.has(streamId) ? streamId : undefined;
  }

  async replayEventsAfter(
    lastEventId: string,
    { send }: { readonly send: (eventId: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const streamId = streamOf(lastEventId);
    const last = numberOf(lastEventId);
    const later = (this.#streams.get(streamId) ?? []).filter(({ id }) => numberOf(id) > last);
    for (const { id, message } of later) if ('jsonrpc' in message) await send(id, message);
    return streamId;
  }

  #tidy(): void {
    const oldest = this.#clock.now() - MAX_AGE_MS;
    for (const [streamId, kept] of this.#streams) {
      while (kept[0] && (kept[0].at < oldest || (this.#characters > MAX_CHARACTERS && !this.#isLast(kept)))) {
        this.#drop(streamId, kept);
      }
      if (kept.length > 0 && this.#characters <= MAX_CHARACTERS) return;
    }
  }

  #isLast(kept: readonly Kept[]): boolean {
    return kept.length === 1 && this.#streams.size === 1;
  }

  #drop(streamId: string, kept: Kept[]): void {
    this.#characters -= kept.shift()?.size ?? 0;
    if (kept.length === 0) this.#streams.delete(streamId);
  }
}

const streamOf = (eventId: string): string => eventId.slice(0, Math.max(0, eventId.lastIndexOf('.')));
const numberOf = (eventId: string): number => Number(eventId.slice(eventId.lastIndexOf('.') + 1));
