import { deferred } from '../../base/wait.ts';
import type { Approval, ForeignQuestion } from '../../contract/approval.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { EventNotes, HumanInTheLoop, HumanInTheLoopStatus } from '../../contract/event.ts';
import type { TokenId } from '../../contract/ids.ts';
import type { Between } from '../../store/event-times.ts';
import type { EventRow, NewEvent } from '../../store/events.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { ForeignAnswers } from '../approvals/foreign-answers.ts';
import { decisionOf, foreignApproval, statusOf } from '../approvals/foreign-question.ts';
import { checkPlace } from '../approvals/picked-files.ts';
import type { Parts } from '../parts.ts';
import { needProject } from '../projects.ts';
import { type EventFilter, type Taken, wants } from './event-filter.ts';
import { chatOf, type EventParts, eventJson, omittedOf, partsOf } from './event-text.ts';

/** What it works with. */
type Recording = Pick<Parts, 'store' | 'clock' | 'log' | 'settingsFor' | 'workspaces'>;

/** An event to be recorded: checked and masked, `text` and `chat` as the store takes them. */
export type IncomingEvent = Pick<NewEvent, 'source' | 'session' | 'type' | 'text' | 'chat' | 'usage'> & {
  readonly payload: Readonly<Record<string, unknown>>;
  /** What it asks of a person. */
  readonly hitl: HumanInTheLoop | null;
  /** The sender's own key: a repeat is answered with the first. */
  readonly key: string | null;
};

/** Who sent it. */
export type Sender = { readonly caller: Caller; readonly tokenId: TokenId | null };

/** An event that was recorded. `json` is what its sender is answered. */
export type RecordedEvent = { readonly id: number; readonly json: string };

/** A session of an outside program whose turn, or a sub-agent's, has ended. */
export type TurnEnd = Pick<NewEvent, 'source' | 'session'>;

const TURN_ENDS: ReadonlySet<string> = new Set(['Stop', 'StopFailure', 'SubagentStop', 'SessionEnd']);
const REFUSED_EVERY_MS = 10_000;
/** Characters of a page for a live reader, over which it ends. */
const PAGE_LENGTH = 1_000_000;

type Inbox = Pick<Approvals, 'decide' | 'openedForeign' | 'withdrawForeign'>;

/** Events of outside programs: recorded, read back, followed. They never change the state of a task. */
export class Events {
  readonly #parts: Recording;
  readonly #approvals: Inbox;
  readonly #questions: ForeignAnswers;
  #refusedAt = Number.NEGATIVE_INFINITY;
  readonly #onTurnEnd = new Set<(of: TurnEnd) => void>();

  constructor(parts: Recording, approvals: Inbox, questions: ForeignAnswers) {
    this.#parts = parts;
    this.#approvals = approvals;
    this.#questions = questions;
  }

  /** Resolves when all are durable. @throws AppError overloaded, disk_full, store_locked, path_refused */
  async observe(events: readonly IncomingEvent[], { caller, tokenId }: Sender): Promise<readonly RecordedEvent[]> {
    const { store, clock } = this.#parts;
    const at = clock.now();
    const notes = { token: tokenId };
    // Named one by one: leaving some out of a copy takes three times as long.
    const items = events.map(
      ({ source, session, type, text, chat, usage = null, key }): NewEvent => ({
        at,
        source,
        session,
        type,
        text,
        notes,
        usage,
        chat,
        repeat: key === null ? null : { scope: tokenId ?? 'none', key },
        actor: caller.actor,
      }),
    );
    const ids = events.some(({ hitl }) => hitl !== null)
      ? this.#ask(events, items, tokenId)
      : await store.observeEvents(items);
    for (const event of events) {
      if (TURN_ENDS.has(event.type)) for (const tell of this.#onTurnEnd) tell(event);
    }
    return events.map(({ text, chat, hitl }, i) => {
      const id = ids[i] ?? 0;
      const parts = { id, at, notes: { token: null }, rest: text.slice(1) };
      const status = hitl === null ? null : ({ status: 'pending' } as const);
      const chatPart = chat === null ? null : { json: `[${chat.join(',')}]` };
      return { id, json: eventJson(parts, { chat: chatPart, status, isReadBack: false }) };
    });
  }

  /** `listener` is called when an event has said that a turn is over; the answer stops that. */
  onTurnEnd(listener: (of: TurnEnd) => void): () => void {
    this.#onTurnEnd.add(listener);
    return () => {
      this.#onTurnEnd.delete(listener);
    };
  }

  /** Events of which some ask: each with its question in the inbox, all of them or none. */
  #ask(events: readonly IncomingEvent[], items: readonly NewEvent[], tokenId: TokenId | null): number[] {
    const { store, clock, settingsFor } = this.#parts;
    const times = { now: clock.now(), limitMs: settingsFor(null).limits.approvalTimeout };
    for (const { hitl } of events) if (hitl?.directory !== undefined) checkPlace(this.#parts, hitl.directory);
    const opened: Approval[] = [];
    const ids = store.commit((tx) =>
      items.map((item, i) => {
        const event = events[i];
        if (!event || event.hitl === null) return tx.observe(item);
        const id = this.#questions.newId();
        const seq = tx.observe({ ...item, notes: { ...item.notes, approval: id } });
        const row = store.events.get(seq);
        // A repeat is the first event, with its question.
        if (row === null || partsOf(row).notes.approval !== id) return seq;
        const { source, session } = item;
        const about = { id, source, session, payload: event.payload, tokenId, seq };
        opened.push(tx.approvals.insert(foreignApproval(event.hitl, about, times), { actor: item.actor }));
        return seq;
      }),
    );
    for (const approval of opened) this.#approvals.openedForeign(approval);
    return ids;
  }

  /** One event as it is read back; null if there is none. */
  json(seq: number): string | null {
    const row = this.#parts.store.events.get(seq);
    return row && this.#read(row);
  }

  #read(row: EventRow): string {
    const parts = partsOf(row);
    const { events } = this.#parts.store;
    return eventJson(parts, { chat: chatOf(events, parts), status: this.#statusOf(parts), isReadBack: true });
  }

  /**
   * Answers an event's question; the first answer wins, wherever it comes from.
   * @returns the event
   * @throws AppError not_found, conflict for an event that asks nothing, already_answered, bad_request, forbidden
   */
  respond(seq: number, given: Readonly<Record<string, unknown>>, caller: Caller): string {
    const approval = this.#questionOf(seq, () => true);
    if (approval.foreign) this.#approvals.decide(approval.id, decisionOf(approval.foreign, given), caller);
    return this.json(seq) ?? '{}';
  }

  /**
   * The answer for the program that asked; waits for it at most `waitMs`. Null: there is none yet.
   * @throws AppError not_found for an event of another token, gone for one that will have none
   */
  async response(seq: number, waitMs: number, tokenId: TokenId | null): Promise<string | null> {
    const { store, clock } = this.#parts;
    const isOwn = (notes: EventNotes): boolean => notes.token === tokenId;
    if (this.#questionOf(seq, isOwn).state === 'pending' && waitMs > 0) {
      const changed = deferred<void>();
      const stop = store.onCommit(() => {
        if (this.#questionOf(seq, isOwn).state !== 'pending') changed.resolve();
      });
      const cancel = clock.after(waitMs, () => changed.resolve());
      await changed.promise;
      stop();
      cancel();
    }
    const approval = this.#questionOf(seq, isOwn);
    if (approval.state === 'pending') return null;
    const status = statusOf(approval);
    const json = status.status === 'timeout' ? null : this.#questions.pull(approval);
    if (json === null) throw new AppError('gone', status.reason ?? `the question is ${approval.state}`);
    return json;
  }

  /** The program that asked takes its question back. @throws AppError not_found for an event of another token */
  withdraw(seq: number, reason: string, tokenId: TokenId | null): void {
    this.#approvals.withdrawForeign(
      this.#questionOf(seq, (notes) => notes.token === tokenId),
      reason,
    );
  }

  /** As what an agent of Gantry's own reports: its events are found with its session's. Null for all others. */
  ownName({ agent }: Caller): { readonly source: string; readonly session: string } | null {
    if (agent === null) return null;
    const { read } = this.#parts.store;
    const sessionId = read.agents.get(agent)?.sessionId ?? null;
    const session = sessionId === null ? null : read.sessions.get(sessionId);
    return { source: agent, session: session?.nativeId ?? agent };
  }

  #questionOf(seq: number, isAllowed: (notes: EventNotes) => boolean): Approval {
    const row = this.#parts.store.events.get(seq);
    const notes = row && partsOf(row).notes;
    if (!notes || !isAllowed(notes)) throw new AppError('not_found', 'Event not found');
    if (notes.approval === undefined) throw new AppError('conflict', 'the event asks nothing');
    return this.#parts.store.read.approvals.need(notes.approval);
  }

  /** The filter with the ids of the projects that it names. @throws AppError not_found */
  resolve(filter: EventFilter): EventFilter {
    return { ...filter, projects: filter.projects.map((name) => needProject(this.#parts, name).id) };
  }

  /** The narrowest range of positions that holds every event that was received from `from` on and before `to`. */
  between(from: number, to: number): Between {
    return this.#parts.store.events.between(from, to);
  }

  /** Adds the next events of the range, so many of which are looked at; answers with the last, null at the end. */
  scan(taken: Taken, range: Between, order: 'newest' | 'oldest', most: number): number | null {
    let count = 0;
    for (const row of this.#parts.store.events.iterate(range, order)) {
      taken.add(row);
      count += 1;
      if (taken.isFull || count === most) return row.seq;
    }
    return null;
  }

  /** Adds those of the positions that are events, in their order. */
  pick(taken: Taken, seqs: readonly number[]): void {
    for (const seq of seqs) {
      if (taken.isFull) return;
      const row = this.#parts.store.events.get(seq);
      if (row !== null) taken.add(row);
    }
  }

  /**
   * Events as they are read back, as one JSON array with at most so many characters of transcripts: those of the newest
   * come first, and where one has no room, older ones are left out too.
   */
  texts(rows: readonly EventRow[], maxChats: number): string {
    const { events } = this.#parts.store;
    let room = maxChats;
    const texts = [...rows].reverse().map((row) => {
      const parts = partsOf(row);
      const kept = room > 0 ? chatOf(events, parts) : omittedOf(parts);
      if (kept !== null && 'json' in kept) room -= kept.json.length;
      const chat = room < 0 ? omittedOf(parts) : kept;
      return eventJson(parts, { chat, status: this.#statusOf(parts), isReadBack: true });
    });
    return `[${texts.reverse().join(',')}]`;
  }

  /** What a live reader gets after `cursor`: each event, and an event again when its question changed. */
  page(
    cursor: number,
    filter: EventFilter,
    limit: number,
  ): {
    readonly events: readonly { readonly seq: number; readonly json: string }[];
    readonly next: number;
    readonly prunedTo: number;
  } {
    const { events } = this.#parts.store;
    const { rows, next, prunedTo } = events.since(cursor, limit);
    const isWanted = wants(filter);
    const told: { readonly seq: number; readonly json: string }[] = [];
    let length = 0;
    for (const row of rows) {
      const event = row.kind === 'observed' ? row : this.#askedBy(row);
      if (event === null || !isWanted(event)) continue;
      const parts = partsOf(event);
      const json = eventJson(parts, { chat: chatOf(events, parts), status: this.#statusOf(parts), isReadBack: false });
      told.push({ seq: row.seq, json });
      length += json.length;
      // A transcript may be a thousand times its event: what follows is the next page's.
      if (length > PAGE_LENGTH) return { events: told, next: row.seq, prunedTo };
    }
    return { events: told, next, prunedTo };
  }

  /** What filters offer, as JSON. */
  names(): string {
    return this.#parts.store.events.names();
  }

  head(): number {
    return this.#parts.store.journal.head();
  }

  count(after: number, to: number): number {
    return this.#parts.store.events.count(after, to);
  }

  /** An event was refused for its size: that is told, at most once in ten seconds. */
  refused(why: string): void {
    const { store, clock, log } = this.#parts;
    const now = clock.now();
    if (now - this.#refusedAt < REFUSED_EVERY_MS) return;
    this.#refusedAt = now;
    store
      .observe([
        {
          kind: 'notice',
          data: { level: 'warning', text: `an event was refused: ${why}` },
          subject: {},
          actor: 'gantry',
        },
      ])
      .catch((error: unknown) => log.error({ err: error }, 'a notice could not be recorded'));
  }

  /** The event whose question changed; null if the change is of another question, or the event is there no longer. */
  #askedBy({ json }: EventRow): EventRow | null {
    if (!json.includes('"foreign":{')) return null;
    const { row, from } = JSON.parse(json) as { from: string | null; row: { foreign?: ForeignQuestion } };
    // That it was asked is told with the event itself.
    return from === null || !row.foreign ? null : this.#parts.store.events.get(row.foreign.eventId);
  }

  #statusOf({ notes }: EventParts): HumanInTheLoopStatus | null {
    const approval = notes.approval === undefined ? null : this.#parts.store.read.approvals.get(notes.approval);
    return approval && statusOf(approval);
  }
}
