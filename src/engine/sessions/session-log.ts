import type { BackendEvent } from '../../backends/backend.ts';
import type { FactData, FactSubject } from '../../contract/fact.ts';
import { cutText } from '../../store/cut-text.ts';
import type { NewFact, RecordedKind } from '../../store/facts.ts';
import type { Parts } from '../parts.ts';

/** Events that become facts as they are; the others are acted upon (`asked`, `ended`, …). */
type Logged = Exclude<BackendEvent, { type: 'ended' | 'asked' | 'withdrawn' | 'heartbeat' }>;

/** How much of a session's past is looked at for what was told already: more than any program tells again of one turn. */
const MAX_TOLD = 2_000;

/** Longest that a text on its way is held back to join the next piece: the first piece is never held. */
const GATHER_MS = 40;
/** What may be on its way to the disk before the agent's stream is made to wait. */
const MAX_IN_FLIGHT = 512;

/** Writes a session's events into the journal, in their order, many to a transaction. */
export class LogWriter {
  readonly #parts: Parts;
  #subject: Partial<FactSubject>;
  readonly #actor: string;
  #last: Promise<unknown> = Promise.resolve();
  #inFlight = 0;
  #held: { kind: 'text.delta' | 'reasoning.delta'; partId: string; text: string } | null = null;
  #cancelTimer: (() => void) | null = null;
  #lastDeltaAt = 0;
  /** What the journal has of the turn that is resumed: some programs tell it again. */
  readonly #told: ReadonlySet<string>;

  constructor(
    parts: Parts,
    subject: Partial<FactSubject>,
    how: { readonly actor: string; readonly isResumed: boolean },
  ) {
    this.#parts = parts;
    this.#subject = subject;
    this.#actor = how.actor;
    this.#told = how.isResumed ? toldOf(parts, subject.sessionId ?? null) : new Set();
    // Whether they still run the program says, if it knows them.
    for (const nativeId of how.isResumed ? leftRunning(parts, subject.sessionId ?? null) : []) {
      this.#send({ kind: 'child.state', data: { nativeId, state: 'unknown' } });
    }
  }

  /** From now on what is told is of this. */
  about(subject: Partial<FactSubject>): void {
    this.release();
    this.#subject = subject;
  }

  /** Resolves at once while few are on their way; else when they are durable. */
  async write(event: Exclude<BackendEvent, { type: 'ended' | 'asked' | 'withdrawn' }>): Promise<void> {
    if (event.type === 'heartbeat' || this.#isTold(event)) return;
    if (event.type === 'text-delta' || event.type === 'reasoning-delta') {
      this.#delta(event.type === 'text-delta' ? 'text.delta' : 'reasoning.delta', event.partId, event.text);
    } else {
      this.release();
      const { kind, data } = factOf(event);
      this.#send({ kind, data });
    }
    if (this.#inFlight >= MAX_IN_FLIGHT) await this.#last;
  }

  #isTold(event: Parameters<LogWriter['write']>[0]): boolean {
    switch (event.type) {
      case 'text-delta':
      case 'reasoning-delta':
        return this.#told.has(`${event.type.slice(0, -'-delta'.length)} ${event.partId}`);
      case 'text':
      case 'reasoning':
        return this.#told.has(`${event.type} ${event.partId}`);
      case 'tool-started':
      case 'tool-ended':
        return this.#told.has(`${event.type.replace('-', '.')} ${event.callId}`);
      default:
        return false;
    }
  }

  /** A fact that must be durable when this returns; what came before it stands before it. */
  commit(event: Logged): void {
    this.release();
    const { kind, data } = factOf(event);
    this.#parts.store.commit((tx) => tx.record(kind, data as never, this.#subject, this.#actor));
  }

  #delta(kind: 'text.delta' | 'reasoning.delta', partId: string, text: string): void {
    if (this.#held && this.#held.kind === kind && this.#held.partId === partId) {
      this.#held.text += text;
      return;
    }
    this.release();
    const now = this.#parts.clock.now();
    if (now - this.#lastDeltaAt >= GATHER_MS) {
      this.#lastDeltaAt = now;
      this.#send({ kind, data: { partId, text } });
      return;
    }
    this.#held = { kind, partId, text };
    this.#cancelTimer = this.#parts.clock.after(GATHER_MS, () => this.release());
  }

  /** Hands what is held back to the store. */
  release(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const held = this.#held;
    this.#held = null;
    if (!held) return;
    this.#lastDeltaAt = this.#parts.clock.now();
    this.#send({ kind: held.kind, data: { partId: held.partId, text: held.text } });
  }

  #send(fact: { readonly kind: RecordedKind; readonly data: unknown }): void {
    this.#inFlight += 1;
    this.#last = this.#parts.store
      .observe([{ kind: fact.kind, data: fact.data, subject: this.#subject, actor: this.#actor } as NewFact])
      .then(
        () => undefined,
        // The disk is full or locked: the loss is said in the log; what the agent does is not stopped by it.
        (error: unknown) =>
          this.#parts.log.error({ err: error, session: this.#subject.sessionId }, 'an observation was not saved'),
      )
      .finally(() => {
        this.#inFlight -= 1;
      });
  }
}

/** The whole texts and calls that the journal has of a session. */
function toldOf({ store }: Parts, sessionId: FactSubject['sessionId']): ReadonlySet<string> {
  if (sessionId === null) return new Set();
  const kinds = ['text', 'reasoning', 'tool.started', 'tool.ended'] as const;
  return new Set(
    store.journal
      .recent(MAX_TOLD, { sessionId, kinds: [...kinds] })
      .flatMap(({ kind, data }) =>
        'partId' in data ? [`${kind} ${data.partId}`] : 'callId' in data ? [`${kind} ${data.callId}`] : [],
      ),
  );
}

/** The sub-agents whose end an earlier life of the session has not told. */
function leftRunning({ store }: Parts, sessionId: FactSubject['sessionId']): readonly string[] {
  if (sessionId === null) return [];
  const told = store.journal.recent(MAX_TOLD, { sessionId, kinds: ['child.state'] });
  const states = new Map(
    told.flatMap(({ data }) => ('nativeId' in data && 'state' in data ? [[data.nativeId, data.state]] : [])),
  );
  return [...states].flatMap(([nativeId, state]) => (state === 'running' ? [nativeId] : []));
}

/** A backend's event in the journal's words. Pure. */
export function factOf(
  event: Logged,
): { readonly [K in RecordedKind]: { readonly kind: K; readonly data: FactData<K> } }[RecordedKind] {
  switch (event.type) {
    case 'turn-started':
      return { kind: 'turn.started', data: { promptId: event.promptId } };
    case 'turn-ended': {
      const { promptId, outcome, failure, usage } = event;
      return { kind: 'turn.ended', data: { promptId, outcome, failure, usage, text: cutText(event.text).text } };
    }
    case 'text-delta':
      return { kind: 'text.delta', data: { partId: event.partId, text: event.text } };
    case 'reasoning-delta':
      return { kind: 'reasoning.delta', data: { partId: event.partId, text: event.text } };
    case 'text':
    case 'reasoning':
      return { kind: event.type, data: { partId: event.partId, ...cutText(event.text) } };
    case 'tool-started': {
      const { callId, tool, title } = event;
      return { kind: 'tool.started', data: { callId, tool, title, input: boundedInput(event.input) } };
    }
    case 'tool-ended': {
      const { callId, tool, title, status } = event;
      const { text, isTruncated } = cutText(event.output);
      return { kind: 'tool.ended', data: { callId, tool, title, status, output: text, isTruncated } };
    }
    case 'file-changed':
      return { kind: 'file.changed', data: { path: event.path } };
    case 'todo':
      return { kind: 'todo', data: { items: event.items.map((item) => ({ ...item })) } };
    case 'child-started': {
      const { nativeId, title, parentId } = event;
      return { kind: 'child.started', data: { nativeId, title, ...(parentId !== undefined && { parentId }) } };
    }
    case 'child-state':
      return { kind: 'child.state', data: { nativeId: event.nativeId, state: event.state } };
    case 'usage':
      return { kind: 'usage', data: { usage: event.usage } };
    case 'compaction':
      return { kind: 'compaction', data: { phase: event.phase } };
    case 'retrying':
      return { kind: 'retrying', data: { try: event.try, message: event.message, nextAt: event.nextAt } };
    case 'notice':
      return { kind: 'notice', data: { level: event.level, text: event.text } };
    default:
      return event satisfies never;
  }
}

/** A tool's input as it was, unless it is too large for a fact: then its beginning as text. */
function boundedInput(input: unknown): unknown {
  const text = JSON.stringify(input) ?? 'null';
  const cut = cutText(text);
  return cut.isTruncated ? cut.text : input;
}
