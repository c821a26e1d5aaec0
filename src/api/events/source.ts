import type { EventFilter } from '../../engine/observations/event-filter.ts';
import type { Events } from '../../engine/observations/events.ts';
import { Frame, type FrameSource, SharedPages } from '../frames.ts';
import type { FactSearch } from '../search.ts';
import { newestOf } from './query.ts';
import { recentEvents } from './recent.ts';

const INITIAL = 300;

/** The events that a reader of `/stream` follows, in the words of the original server. */
export class EventPages {
  readonly #events: Events;
  readonly #search: FactSearch;
  readonly #shared = new SharedPages();

  constructor({ events, search }: { readonly events: Events; readonly search: FactSearch }) {
    this.#events = events;
    this.#search = search;
  }

  /** `isResuming`: it counts by ids and is told of gaps; an old client's connection is ended instead. */
  source(filter: EventFilter, isResuming: boolean): FrameSource {
    const name = JSON.stringify(filter);
    return {
      head: () => this.#events.head(),
      after: (cursor, { head, limit }) =>
        this.#shared.get(name, { cursor, head }, () => {
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

  /** The newest events, for a client that begins; and where it goes on. @throws AppError overloaded */
  async initial(filter: EventFilter, maxLength: number): Promise<Frame> {
    const seq = this.#events.head();
    const query = { ...newestOf(filter, INITIAL), maxLength, before: seq + 1 };
    const rows = await recentEvents(query, { events: this.#events, search: this.#search });
    const maxChats = rows.reduce((room, { json }) => room - json.length, maxLength);
    return new Frame('initial', `{"type":"initial","data":${this.#events.texts(rows, maxChats)}}`, seq);
  }
}
