import { Channel } from '../../base/channel.ts';
import type { Decision } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { MessageMode } from '../../contract/message.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import type {
  BackendEvent,
  BackendSession,
  CloseReport,
  EndReason,
  PersonView,
  Prompt,
  PromptReceipt,
} from '../backend.ts';
import { PromptLine } from '../prompt-line.ts';
import { Asks } from './asks.ts';
import { Children } from './children.ts';
import { type NativeAsk, type NativeEvent, transcriptOf } from './dialect.ts';
import { entriesSince } from './history.ts';
import { HttpFailure } from './http.ts';
import type { TurnOptions } from './turn.ts';
import { Turns } from './turns.ts';

export type SessionOptions = Pick<TurnOptions, 'dialect' | 'clock' | 'bodyOf' | 'isFresh'> & {
  readonly nativeId: string;
  readonly directory: string;
  readonly view: PersonView;
  readonly origin: BackendSession['origin'];
  /** A sub-agent's session is part of this one's tree from now on. */
  readonly onChild: (childId: string) => void;
  readonly isOfTree: (sessionId: string) => boolean;
  /** A server that stands still is ended first, and so is the session with it. */
  readonly onClosing: () => Promise<void>;
  /** Ends what the session has left running. @returns pids that are still alive. */
  readonly onClose: (graceMs: number) => Promise<readonly number[]>;
  /** Its last event was told. */
  readonly onEnd: () => void;
};

/** Events that wait for the reader; beyond the first bound deltas and heartbeats are left out, beyond the second it ends. */
const MAX_EVENTS = 20_000;
const MAX_SMALL_EVENTS = 10_000;
const ASKS_UNKNOWN =
  'OpenCode cannot list its open questions now; one that was put while its events were not read stays open until the turn is interrupted';
/** For the program to confirm that it stopped a turn; killing a running command takes it a moment. */
const INTERRUPT_LIMIT_MS = 30_000;

/** One live conversation on an OpenCode server. */
export class OpencodeSession implements BackendSession {
  readonly nativeId: string;
  readonly directory: string;
  readonly view: PersonView;
  readonly origin: BackendSession['origin'];
  readonly events = new Channel<BackendEvent>(MAX_EVENTS);
  readonly #options: SessionOptions;
  readonly #turns: Turns;
  readonly #asks: Asks;
  readonly #children: Children;
  readonly #line: PromptLine;
  #closing: Promise<CloseReport> | null = null;
  #lastRetry = '';

  constructor(options: SessionOptions) {
    const { nativeId, directory, dialect } = options;
    this.nativeId = nativeId;
    this.directory = directory;
    this.view = options.view;
    this.origin = options.origin;
    this.#options = options;
    this.#asks = new Asks(nativeId, directory, dialect, this.#emit);
    this.#children = new Children(nativeId, this.#emit, options.onChild);
    this.#turns = new Turns({
      ...options,
      rootId: nativeId,
      emit: this.#emit,
      onChild: (child, entries, isBusy) => this.#children.found(child, entries, isBusy),
      onOver: () => this.#turnOver(),
    });
    this.#line = new PromptLine({
      over: () => (this.events.isEnded || this.#closing !== null ? OVER : null),
      isRunning: () => this.#turns.isRunning,
      has: (id) => this.#turns.has(id),
      send: (prompt) => this.#turns.send(prompt),
      interrupt: () => this.interrupt(),
      notice: (text) => this.notice('warning', text),
    });
  }

  prompt(prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> {
    return this.#line.add(prompt, mode);
  }

  async interrupt(): Promise<void> {
    const isConfirmed = await this.#turns.interrupt(INTERRUPT_LIMIT_MS).catch(toAppFailure);
    await this.#asks.sweep('the turn was interrupted');
    if (!isConfirmed) throw new AppError('timeout', 'OpenCode did not confirm the interruption');
  }

  answer(nativeId: string, decision: Decision): Promise<'taken' | 'gone'> {
    return this.#asks.answer(nativeId, decision);
  }

  async transcript(): Promise<readonly TranscriptItem[]> {
    const { dialect } = this.#options;
    return transcriptOf(await entriesSince(dialect, this.nativeId, () => false).catch(toAppFailure));
  }

  async forget(): Promise<void> {
    await this.interrupt();
    // Its end is ours, not somebody's deletion.
    this.end({ type: 'closed' });
    await this.#options.dialect.deleteSession(this.nativeId).catch(toAppFailure);
  }

  close(graceMs: number): Promise<CloseReport> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  /** The server is gone, or lets go of the session: no word of it comes any more. */
  end(reason: EndReason): void {
    if (this.events.isEnded) return;
    this.#turns.abandon();
    this.#line.refuse(OVER);
    this.events.pushLast({ type: 'ended', reason });
    this.#options.onEnd();
  }

  /** An event of this session or of one of its sub-agents. */
  take(event: NativeEvent): void {
    switch (event.type) {
      case 'session':
        this.#children.met(event.session);
        break;
      case 'asked':
        this.#asks.asked(event.ask);
        break;
      case 'answered':
        this.#asks.answered(event.askId);
        break;
      case 'idle':
        if (event.sessionId !== this.nativeId) this.#quietly(this.#asks.sweep('the sub-agent ended', event.sessionId));
        break;
      case 'retry':
        this.#retry(event);
        break;
      case 'compacted':
        this.#emit({ type: 'compaction', phase: 'ended' });
        break;
      case 'session-deleted':
        if (event.sessionId === this.nativeId) this.end(diedOf('protocol', 'the session was deleted in OpenCode'));
        break;
      case 'alive':
        this.#emit({ type: 'heartbeat' });
        break;
      default:
    }
    this.#children.take(event);
    this.#turns.take(event);
  }

  gap(): void {
    this.#turns.gap();
  }

  /** After a gap: what the program says now. */
  async reconcile(): Promise<void> {
    const isOfTree = (id: string): boolean => id === this.nativeId || this.#options.isOfTree(id);
    if (!(await this.#asks.reconcile(isOfTree, (ask) => this.#isWaiting(ask)))) this.notice('warning', ASKS_UNKNOWN);
    await this.#turns.look();
  }

  notice(level: 'info' | 'warning' | 'error', text: string): void {
    this.#emit({ type: 'notice', level, text });
  }

  readonly #emit = (event: BackendEvent): void => {
    const isSmall = event.type === 'text-delta' || event.type === 'reasoning-delta' || event.type === 'heartbeat';
    if (isSmall && this.events.size >= MAX_SMALL_EVENTS) {
      this.#turns.gap();
      return;
    }
    if (this.events.push(event) || this.events.isEnded) return;
    this.end(diedOf('internal', `the reader of the session's events is ${MAX_EVENTS} events behind`));
  };

  #turnOver(): void {
    this.#lastRetry = '';
    this.#quietly(this.#asks.sweep('the turn is over'));
    this.#line.pump();
  }

  #retry({ sessionId, try: count, message, nextAt }: Extract<NativeEvent, { type: 'retry' }>): void {
    const key = `${sessionId} ${count} ${nextAt}`;
    if (key === this.#lastRetry) return;
    this.#lastRetry = key;
    this.#emit({ type: 'retrying', try: count, message, nextAt });
  }

  /** The program lists ghosts for ever; a question is real only while its call runs. */
  async #isWaiting(ask: NativeAsk): Promise<boolean> {
    if (!ask.call) return true;
    const { messageId, callId } = ask.call;
    const entry = await this.#options.dialect.message(ask.sessionId, messageId);
    const part = entry?.parts.find((p) => p.type === 'tool' && p.callId === callId);
    return part?.type === 'tool' && (part.status === 'running' || part.status === 'pending');
  }

  async #close(graceMs: number): Promise<CloseReport> {
    this.#line.refuse(OVER);
    await this.#options.onClosing();
    if (!this.events.isEnded) {
      // A server that does not obey is ended by whoever watches it; what the session started is ended below.
      await this.#turns.interrupt(graceMs).catch(orUnheard);
      await this.#asks.sweep('the session was closed');
    }
    const survivors = await this.#options.onClose(graceMs);
    if (!this.events.isEnded) {
      this.#turns.cut();
      this.end({ type: 'closed' });
    }
    return { exitCode: null, signal: null, survivors };
  }

  /** For what nobody waits for: a failure is said, and changes nothing. */
  #quietly(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.notice('warning', error instanceof Error ? error.message : String(error)));
  }
}

const diedOf = (kind: Failure['class'], message: string): EndReason => ({
  type: 'died',
  failure: { class: kind, message, resetAt: null },
  exitCode: null,
  signal: null,
});

const OVER: Failure = { class: 'crash', message: 'the session is over', resetAt: null };

function toAppFailure(error: unknown): never {
  if (!(error instanceof HttpFailure)) throw error;
  throw new AppError('backend_failed', `OpenCode did not answer: ${error.message}`, { cause: error });
}

function orUnheard(error: unknown): void {
  if (!(error instanceof HttpFailure)) throw error;
}
