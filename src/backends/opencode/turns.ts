import { until, within } from '../../base/wait.ts';
import type { Failure } from '../../contract/failure.ts';
import type { PromptId } from '../../contract/ids.ts';
import type { Prompt, PromptReceipt } from '../backend.ts';
import type { NativeEntry, NativeEvent } from './dialect.ts';
import { historyOfTurn } from './history.ts';
import { HttpFailure } from './http.ts';
import { brokenBy, INTERRUPTED, standingOf, type Verdict } from './outcome.ts';
import { postPrompt } from './post-prompt.ts';
import { standingOfStored } from './stored-prompt.ts';
import {
  ACCEPTED,
  afterQuietLook,
  endsOf,
  isAnswerIn,
  newTurn,
  refused,
  type Turn,
  type TurnEnded,
  type TurnOptions,
  type TurnPrompt,
} from './turn.ts';
import { TurnView } from './view.ts';

/** How often a turn is looked at that is neither at work nor done. */
const LOOK_AGAIN_MS = 500;
const KEPT_ENDS = 100;

/** The turns of one session, one after the other: sends prompts, follows them, and says once how each ended. */
export class Turns {
  readonly #options: TurnOptions;
  readonly #view: TurnView;
  readonly #ended = new Map<PromptId, TurnEnded>();
  readonly #stop = new AbortController();
  #turn: Turn | null = null;
  #isLooking = false;
  #mustLookAgain = false;
  #cancelTimer: () => void = () => undefined;

  constructor(options: TurnOptions) {
    this.#options = options;
    this.#view = new TurnView(options.rootId, options.emit);
  }

  get isRunning(): boolean {
    return this.#turn !== null;
  }

  has(promptId: PromptId): boolean {
    return this.#turn?.prompts.some(({ prompt }) => prompt.id === promptId) ?? false;
  }

  /** Gives a prompt to the program: as a turn of its own, or into the one that runs. Exactly once, whatever happened before. */
  async send(prompt: Prompt): Promise<PromptReceipt> {
    if (this.has(prompt.id)) return ACCEPTED;
    const ended = this.#ended.get(prompt.id);
    if (ended) return this.#report(ended);
    const { messageId } = prompt.native;
    if (messageId === undefined) return refused({ class: 'protocol', message: 'it has no native ids', resetAt: null });
    const { dialect, rootId, isFresh } = this.#options;
    const stored = isFresh ? null : await dialect.message(rootId, messageId);
    if (!stored) return await this.#begin(prompt, messageId, null);
    const standing = await standingOfStored(dialect, this.#options, prompt, stored);
    if (standing.type === 'over') return this.#report(standing.end);
    if (standing.type === 'cut') return await this.#begin(prompt, messageId, stored);
    const { record } = this.#join(prompt, messageId, stored);
    this.#start(record);
    void this.look();
    return ACCEPTED;
  }

  /** Ends what runs; resolves when the program has confirmed it and the turn's end was told, at most `limitMs` later (false). */
  async interrupt(limitMs: number): Promise<boolean> {
    const { dialect, rootId, directory } = this.#options;
    const turn = this.#turn;
    if (turn) turn.isInterrupted = true;
    await dialect.abort(rootId);
    if (turn) void this.look();
    const isQuiet = async (): Promise<true | null> => ((await dialect.busy(directory)).has(rootId) ? null : true);
    const limits = { everyMs: LOOK_AGAIN_MS, limitMs, signal: this.#stop.signal };
    const over: Promise<unknown> = turn ? turn.over.promise : until(isQuiet, limits, () => LATE);
    return await within(over, limitMs, () => LATE).then(
      () => true,
      (error: unknown) => {
        if (error !== LATE) throw error;
        return false;
      },
    );
  }

  /** The session is over: what runs is left without an end. */
  abandon(): void {
    this.#cancelTimer();
    this.#stop.abort();
    const turn = this.#turn;
    this.#turn = null;
    turn?.over.resolve();
  }

  /** As `abandon`, but the turn's end is told. */
  cut(): void {
    if (this.#turn) this.#finish(this.#turn, null, INTERRUPTED);
    this.abandon();
  }

  take(event: NativeEvent): void {
    const isRoot = 'sessionId' in event && event.sessionId === this.#options.rootId;
    switch (event.type) {
      case 'message':
        if (isRoot && event.message.role === 'user') this.#stored(event.message.id, event.message.createdAt, true);
        this.#view.message(event.message);
        if (isRoot && event.message.completedAt !== null && this.#turn && this.#turn.quietLooks > 0) void this.look();
        break;
      case 'part':
        this.#view.part(event.part);
        break;
      case 'delta':
        this.#view.delta(event.partId, event.text);
        break;
      case 'todo':
        if (isRoot) this.#view.todo(event.items);
        break;
      case 'error':
        // Before its own prompt was told, it is the late word of an earlier turn; the second one holds a stack.
        if (isRoot && this.#turn?.isSeen) this.#turn.error ??= event.error;
        break;
      case 'idle':
        if (isRoot) void this.look();
        break;
      default:
    }
  }

  /** The event stream broke: nothing is replayed. */
  gap(): void {
    this.#view.gap();
    if (this.#turn) this.#turn.isGapped = true;
  }

  /** Decides whether the running turn is over. Called as often as there may be news; never rejects. */
  async look(): Promise<void> {
    this.#mustLookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#mustLookAgain && this.#turn) {
        this.#mustLookAgain = false;
        await this.#lookAt(this.#turn);
      }
    } catch (error) {
      // A server that does not answer now is asked again; one that has died ends the session.
      if (error instanceof HttpFailure) this.#lookLater();
      else if (this.#turn) this.#finish(this.#turn, null, brokenBy(`OpenCode was not understood: ${String(error)}`));
    } finally {
      this.#isLooking = false;
    }
  }

  async #begin(prompt: Prompt, messageId: string, stored: NativeEntry | null): Promise<PromptReceipt> {
    const { turn, record } = this.#join(prompt, messageId, stored);
    if (stored) this.#start(record);
    turn.sending += 1;
    try {
      const failure = await this.#post(record);
      if (failure && !record.isStarted) {
        this.#leave(turn, record);
        return refused(failure);
      }
      if (failure) turn.error ??= { type: 'failed', failure };
      this.#start(record);
    } finally {
      turn.sending -= 1;
    }
    void this.look();
    return ACCEPTED;
  }

  #join(prompt: Prompt, messageId: string, stored: NativeEntry | null): { turn: Turn; record: TurnPrompt } {
    if (!this.#turn) {
      this.#view.begin();
      this.#turn = newTurn();
    }
    const storedAt = stored?.message.createdAt ?? null;
    const record = { prompt, messageId, storedAt, isStarted: false };
    this.#turn.prompts.push(record);
    // What it has done so far was told to an earlier daemon.
    if (stored) this.#turn.isGapped = true;
    this.#view.addPrompt(messageId, storedAt);
    return { turn: this.#turn, record };
  }

  #leave(turn: Turn, record: TurnPrompt): void {
    turn.prompts.splice(turn.prompts.indexOf(record), 1);
    if (turn.prompts.length > 0 || turn !== this.#turn) return;
    this.#turn = null;
    turn.over.resolve();
  }

  /** @returns why the program did not take it; null if it did. */
  async #post({ prompt }: TurnPrompt): Promise<Failure | null> {
    const { dialect, rootId, bodyOf } = this.#options;
    return await postPrompt(dialect, rootId, await bodyOf(prompt), this.#stop.signal);
  }

  #stored(messageId: string, storedAt: number, isEvent: boolean): void {
    const record = this.#turn?.prompts.find((p) => p.messageId === messageId);
    if (!record || !this.#turn) return;
    if (isEvent) this.#turn.isSeen = true;
    record.storedAt ??= storedAt;
    this.#view.addPrompt(messageId, storedAt);
    this.#start(record);
  }

  #start(record: TurnPrompt): void {
    if (record.isStarted) return;
    record.isStarted = true;
    this.#options.emit({ type: 'turn-started', promptId: record.prompt.id });
  }

  async #lookAt(turn: Turn): Promise<void> {
    if (turn.sending > 0) return;
    if (turn.isGapped) await this.#reread(turn);
    const { dialect, rootId, directory } = this.#options;
    const busy = await dialect.busy(directory);
    if (busy.has(rootId)) {
      turn.quietLooks = 0;
      if (!turn.isInterrupted) return;
      // The first abort may have come before the prompt that it was meant for.
      await dialect.abort(rootId);
      return this.#lookLater();
    }
    const { entries } = await dialect.messages(rootId, { limit: 1, before: null });
    if (turn !== this.#turn || turn.sending > 0 || turn.isGapped) return;
    const last = entries.at(-1) ?? null;
    if (last?.message.role === 'user') this.#stored(last.message.id, last.message.createdAt, false);
    const isOfTurn = last !== null && isAnswerIn(turn, this.#view, last.message);
    const standing = standingOf({ last, isOfTurn, error: turn.error });
    if (standing.type === 'over') this.#finish(turn, last, standing.verdict);
    else await this.#wait(turn);
  }

  async #wait(turn: Turn): Promise<void> {
    const next = afterQuietLook(turn);
    if (next.type === 'over') {
      this.#finish(turn, null, next.verdict);
      return;
    }
    const newest = turn.prompts.at(-1);
    const failure = next.type === 'resend' && newest ? await this.#post(newest) : null;
    if (failure) turn.error ??= { type: 'failed', failure };
    this.#lookLater();
  }

  #lookLater(): void {
    this.#cancelTimer();
    if (this.#turn) this.#cancelTimer = this.#options.clock.after(LOOK_AGAIN_MS, () => void this.look());
  }

  /** Reads what the turn has made so far from the history; what was told already is not told again. */
  async #reread(turn: Turn): Promise<void> {
    const { dialect, rootId, directory, onChild } = this.#options;
    turn.isGapped = false;
    try {
      // Before the history: what is not at work now has no more to say than that holds.
      const busy = await dialect.busy(directory);
      const ids = turn.prompts.map(({ messageId }) => messageId);
      const { own, children } = await historyOfTurn(dialect, rootId, ids);
      for (const { message } of own) if (message.role === 'user') this.#stored(message.id, message.createdAt, false);
      this.#view.entries(own);
      for (const { session, entries } of children) {
        onChild(session, entries, busy.has(session.id));
        this.#view.entries(entries);
      }
      this.#view.todo(await dialect.todo(rootId));
    } catch (error) {
      turn.isGapped = true;
      throw error;
    }
  }

  #finish(turn: Turn, last: NativeEntry | null, verdict: Verdict): void {
    this.#cancelTimer();
    // The events of the last words may still be on their way.
    if (last?.message.role === 'assistant') this.#view.entries([last]);
    this.#view.end();
    this.#turn = null;
    for (const record of turn.prompts) this.#start(record);
    for (const end of endsOf(turn, this.#view, verdict)) this.#tellEnd(end);
    turn.over.resolve();
    this.#options.onOver();
  }

  #report(end: TurnEnded): PromptReceipt {
    this.#options.emit({ type: 'turn-started', promptId: end.promptId });
    this.#tellEnd(end);
    return ACCEPTED;
  }

  #tellEnd(end: TurnEnded): void {
    this.#options.emit(end);
    this.#ended.set(end.promptId, end);
    const oldest = this.#ended.keys().next();
    if (this.#ended.size > KEPT_ENDS && !oldest.done) this.#ended.delete(oldest.value);
  }
}

const LATE = new Error('late');
