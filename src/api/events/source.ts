import type { EventFilter, Events } from '../../engine/events.ts';
import { Frame, type FrameSource, SharedPages } from '../frames.ts';

/** The events that a reader of `/stream` follows, in the words of the original server. */
export class EventPages {
  readonly #events: Events;
  readonly #shared = new SharedPages();

  constructor(events: Events) {
    this.#events = events;
  }

  /** `isResuming`: it counts by ids and is told of gaps; an old client's connection is ended instead. */
  source(filter: EventFilter, isResuming: boolean): FrameSource {
    const name = JSON.stringify(filter);
    return {
      head: () => this.#events.head(),
      after: (cursor, { head, limit }) =>
        this.#shared.get(`${cursor} ${name}`, head, () => {
          const { events, next, prunedTo } = this.#events.page(cursor, filter, limit);
          const frames = events.map(({ seq, json }) => new Frame('event', `{"type":"event","data":${json}}`, seq));
          // Who began before what is kept is told so only if it counts by ids.
          return { frames, next, prunedTo: isResuming ? prunedTo : 0 };
        }),
      live: () => null,
      gap: (after, { head, prunedTo }) => {
        if (!isResuming) return null;
        const to = prunedTo ?? head;
        const reason = prunedTo === null ? 'lag' : 'retention';
        // What is no longer kept cannot be counted any more.
        const count = prunedTo === null ? this.#events.count(after, to) : null;
        return new Frame('gap', JSON.stringify({ type: 'gap', data: { from: after + 1, to, count, reason } }), to);
      },
    };
  }

  /** The newest events, for a client that begins; and where it goes on. */
  initial(filter: EventFilter, maxLength: number): Frame {
    const { json, seq } = this.#events.initial(filter, maxLength);
    return new Frame('initial', `{"type":"initial","data":${json}}`, seq);
  }
}
