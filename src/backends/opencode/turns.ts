import type { Clock } from '../../base/clock.ts';
import { type Deferred, deferred, pause } from '../../base/wait.ts';
import type { Failure } from '../../contract/failure.ts';
import type { PromptId } from '../../contract/ids.ts';
import type { BackendEvent, Prompt, PromptReceipt } from '../backend.ts';
import type { Dialect, NativeEntry, NativeError, NativeEvent, NativePrompt, NativeSession } from './dialect.ts';
import { descendants, entriesSince } from './history.ts';
import { HttpFailure } from './http.ts';
import { INTERRUPTED, isStoppedByRefusal, standingOf, type Verdict, verdictOf } from './outcome.ts';
import { TurnView } from './view.ts';

type TurnPrompt = { readonly prompt: Prompt; readonly messageId: string; storedAt: number | null; isStarted: boolean };

type Turn = {
  readonly prompts: TurnPrompt[];
  readonly over: Deferred<void>;
  /** What the program said of the session itself. */
  error: NativeError | null;
  isInterrupted: boolean;
  /** Events may have been missed: the history is read before anything is decided. */
  isGapped: boolean;
  /** Prompts on their way to the program. */
  sending: number;
  /** Looks in a row that found the program neither at work nor done. */
  quietLooks: number;
  resends: number;
};

type TurnEnded = Extract<BackendEvent, { type: 'turn-ended' }>;

export type TurnOptions = {
  readonly rootId: string;
  readonly directory: string;
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly emit: (event: BackendEvent) => void;
  /** A prompt as it is sent, with model, agent and instructions. */
  readonly bodyOf: (prompt: Prompt) => Promise<NativePrompt>;
  /** A sub-agent's session was found. */
  readonly onChild: (child: NativeSession) => void;
  readonly onOver: () => void;
  /** Nothing was ever sent to this session: no prompt need be looked for. */
  readonly isFresh: boolean;
};

/** How often a turn is looked at that is neither at work nor done. */
const LOOK_AGAIN_MS = 500;
/** After so many looks the program is not about to go on by itself: it is told again, or an interruption is taken as done. */
const LOOKS_UNTIL_RESEND = 12;
const LOOKS_UNTIL_INTERRUPTED = 3;
const MAX_RESENDS = 2;
const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 100;
const KEPT_ENDS = 100;

/** The turns of one session, one after the other: sends prompts, follows them, and says once how each ended. */
export class Turns {
  readonly #options: TurnOptions;
  readonly #view: TurnView;
  readonly #ended = new Map<PromptId, TurnEnded>();
  readonly #stop = new AbortController();
  #isFresh: boolean;
  #turn: Turn | null = null;
  #isLooking = false;
  #mustLookAgain = false;
  #cancelTimer: () => void = () => undefined;

  constructor(options: TurnOptions) {
    this.#options = options;
    this.#isFresh = options.isFresh;
    this.#view = new TurnView(options.rootId, options.emit);
  }

  get isRunning(): boolean {
    return this.#turn !== null;
  }

  has(promptId: PromptId): boolean {
    return this.#turn?.prompts.some(({ prompt }) => prompt.id === promptId) ?? false;
  }

  /** Resolves when no turn runs. */
  async idle(): Promise<void> {
    while (this.#turn) await this.#turn.over.promise;
  }

  /** Gives a prompt to the program: as a turn of its own, or into the one that runs. Exactly once, whatever happened before. */
  async send(prompt: Prompt): Promise<PromptReceipt> {
    if (this.has(prompt.id)) return { type: 'accepted' };
    const ended = this.#ended.get(prompt.id);
    if (ended) return this.#report(ended);
    const { messageId } = prompt.native;
    if (messageId === undefined) return refused('protocol', 'the prompt has no native ids');
    const { dialect, rootId } = this.#options;
    const stored = this.#isFresh ? null : await dialect.message(rootId, messageId);
    return stored ? await this.#goOn(prompt, stored) : await this.#begin(prompt, messageId);
  }

  /** Ends the running turn; resolves when its end was told, at most `limitMs` later (false then). */
  async interrupt(limitMs: number): Promise<boolean> {
    const turn = this.#turn;
    const { dialect, rootId } = this.#options;
    if (turn) turn.isInterrupted = true;
    await dialect.abort(rootId);
    if (!turn) return true;
    void this.look();
    const late = pause(limitMs, this.#stop.signal).then(() => false);
    return await Promise.race([turn.over.promise.then(() => true), late]);
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
        if (isRoot && event.message.role === 'user') this.#stored(event.message.id, event.message.createdAt);
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
        if (isRoot && this.#turn) this.#turn.error = event.error;
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

  /** Decides whether the running turn is over. Called as often as there may be news. */
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
      if (!(error instanceof HttpFailure)) throw error;
      this.#lookLater();
    } finally {
      this.#isLooking = false;
    }
  }

  async #begin(prompt: Prompt, messageId: string): Promise<PromptReceipt> {
    this.#isFresh = false;
    const { turn, record } = this.#join(prompt, messageId, null);
    turn.sending += 1;
    try {
      const failure = await this.#post(record);
      if (failure && !record.isStarted) {
        this.#leave(turn, record);
        return { type: 'refused', failure };
      }
      this.#start(record);
    } finally {
      turn.sending -= 1;
    }
    void this.look();
    return { type: 'accepted' };
  }

  /** A prompt that the program has already: it is followed, told to go on, or reported as over, never given again. */
  async #goOn(prompt: Prompt, stored: NativeEntry): Promise<PromptReceipt> {
    const { dialect, rootId, directory } = this.#options;
    const { id: messageId, createdAt } = stored.message;
    const isBusy = (await dialect.busy(directory)).has(rootId);
    const entries = await entriesSince(dialect, rootId, ({ message }) => message.createdAt < createdAt);
    const hasNewer = entries.some((entry) => entry.message.createdAt > createdAt && isPrompt(entry));
    const own = entries.filter(
      ({ message }) => message.role === 'assistant' && (!hasNewer || message.parentId === messageId),
    );
    const last = own.at(-1);
    if (!isBusy || hasNewer) {
      const verdict = last ? verdictOf(last.message) : null;
      const isOver =
        verdict !== null &&
        verdict.outcome !== 'interrupted' &&
        (verdict.outcome !== 'rejected' || (last !== undefined && isStoppedByRefusal(last)));
      if (isOver || (hasNewer && !isBusy))
        return await this.#reportStored(prompt, stored, verdict ?? INTERRUPTED, last);
    }
    const { turn, record } = this.#join(prompt, messageId, createdAt);
    this.#start(record);
    turn.isGapped = true;
    if (!isBusy) {
      turn.sending += 1;
      const failure = await this.#post(record).finally(() => {
        turn.sending -= 1;
      });
      if (failure) turn.error ??= { type: 'failed', failure };
    }
    void this.look();
    return { type: 'accepted' };
  }

  #join(prompt: Prompt, messageId: string, storedAt: number | null): { turn: Turn; record: TurnPrompt } {
    if (!this.#turn) {
      this.#view.begin();
      this.#turn = {
        prompts: [],
        over: deferred(),
        error: null,
        isInterrupted: false,
        isGapped: false,
        sending: 0,
        quietLooks: 0,
        resends: 0,
      };
    }
    const record = { prompt, messageId, storedAt, isStarted: false };
    this.#turn.prompts.push(record);
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
  async #post(record: TurnPrompt): Promise<Failure | null> {
    const { dialect, rootId, bodyOf } = this.#options;
    const body = await bodyOf(record.prompt);
    for (let tries = 1; ; tries += 1) {
      try {
        await dialect.prompt(rootId, body);
        return null;
      } catch (error) {
        if (!(error instanceof HttpFailure)) throw error;
        if (error.status !== null) return { class: 'protocol', message: error.message, resetAt: null };
        if (tries >= MAX_TRIES || this.#stop.signal.aborted) {
          return { class: 'network', message: error.message, resetAt: null };
        }
        // The same ids again: a prompt that has arrived is not given a second time.
        await pause(FIRST_PAUSE_MS * 2 ** tries, this.#stop.signal);
      }
    }
  }

  #stored(messageId: string, storedAt: number): void {
    const record = this.#turn?.prompts.find((p) => p.messageId === messageId);
    if (!record) return;
    record.storedAt = storedAt;
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
      return;
    }
    const { entries } = await dialect.messages(rootId, { limit: 1, before: null });
    if (turn !== this.#turn || turn.sending > 0) return;
    const last = entries.at(-1) ?? null;
    if (last?.message.role === 'user') this.#stored(last.message.id, last.message.createdAt);
    const times = turn.prompts.map(({ storedAt }) => storedAt);
    const promptedAt = times.reduce<number | null>((a, b) => (a === null || b === null ? null : Math.max(a, b)), 0);
    const standing = standingOf({ last, promptedAt, error: turn.error });
    if (standing.type === 'over') this.#finish(turn, last, standing.verdict);
    else await this.#wait(turn);
  }

  async #wait(turn: Turn): Promise<void> {
    turn.quietLooks += 1;
    if (turn.isInterrupted && turn.quietLooks >= LOOKS_UNTIL_INTERRUPTED) {
      this.#finish(turn, null, INTERRUPTED);
      return;
    }
    if (turn.quietLooks >= LOOKS_UNTIL_RESEND) {
      const newest = turn.prompts.at(-1);
      if (!newest || turn.resends >= MAX_RESENDS) {
        const message = 'OpenCode took the prompt and did not answer it';
        this.#finish(turn, null, { outcome: 'failed', failure: { class: 'protocol', message, resetAt: null } });
        return;
      }
      turn.resends += 1;
      turn.quietLooks = 0;
      const failure = await this.#post(newest);
      if (failure) turn.error ??= { type: 'failed', failure };
    }
    this.#lookLater();
  }

  #lookLater(): void {
    this.#cancelTimer();
    if (this.#turn) this.#cancelTimer = this.#options.clock.after(LOOK_AGAIN_MS, () => void this.look());
  }

  /** Reads what the turn has made so far from the history; what was told already is not told again. */
  async #reread(turn: Turn): Promise<void> {
    const { dialect, rootId, onChild } = this.#options;
    const ids = new Set(turn.prompts.map(({ messageId }) => messageId));
    const found = new Set<string>();
    const entries = await entriesSince(dialect, rootId, ({ message }) => {
      if (found.size === ids.size) return true;
      if (ids.has(message.id)) found.add(message.id);
      return false;
    });
    for (const { message } of entries) if (message.role === 'user') this.#stored(message.id, message.createdAt);
    this.#view.entries(entries);
    const since = Math.min(...turn.prompts.map(({ storedAt }) => storedAt ?? Number.POSITIVE_INFINITY));
    for (const child of await descendants(dialect, rootId)) {
      onChild(child);
      this.#view.entries(await entriesSince(dialect, child.id, ({ message }) => message.createdAt < since));
    }
    this.#view.todo(await dialect.todo(rootId));
    turn.isGapped = false;
  }

  #finish(turn: Turn, last: NativeEntry | null, verdict: Verdict): void {
    this.#cancelTimer();
    if (last?.message.role === 'assistant') this.#view.entries([last]);
    this.#view.end();
    const answers = this.#view.answers();
    const ends = turn.prompts.map((record, index): TurnEnded => {
      const own = answers.findLast((message) => message.parentId === record.messageId);
      const isNewest = index === turn.prompts.length - 1;
      const isOwnEnd = !isNewest && own?.finish === 'stop' && own.error === null;
      const text = this.#view.textOf((isOwnEnd ? own : (answers.at(-1) ?? own))?.id ?? '');
      const usage = this.#view.usage((message) => ownerOf(turn.prompts, message) === record);
      const how = isOwnEnd ? { outcome: 'done' as const, failure: null } : verdict;
      return { type: 'turn-ended', promptId: record.prompt.id, ...how, text, usage };
    });
    this.#turn = null;
    for (const record of turn.prompts) this.#start(record);
    for (const end of ends) this.#keepEnd(end);
    turn.over.resolve();
    this.#options.onOver();
  }

  #keepEnd(end: TurnEnded): void {
    this.#options.emit(end);
    this.#ended.set(end.promptId, end);
    const oldest = this.#ended.keys().next();
    if (this.#ended.size > KEPT_ENDS && !oldest.done) this.#ended.delete(oldest.value);
  }

  #report(end: TurnEnded): PromptReceipt {
    this.#options.emit({ type: 'turn-started', promptId: end.promptId });
    this.#keepEnd(end);
    return { type: 'accepted' };
  }

  async #reportStored(
    prompt: Prompt,
    stored: NativeEntry,
    verdict: Verdict,
    last: NativeEntry | undefined,
  ): Promise<PromptReceipt> {
    const { dialect, rootId } = this.#options;
    const { createdAt, id } = stored.message;
    const newer = await entriesSince(dialect, rootId, ({ message }) => message.createdAt < createdAt);
    const next = newer.find((entry) => entry.message.createdAt > createdAt && isPrompt(entry));
    const until = next?.message.createdAt ?? Number.POSITIVE_INFINITY;
    const view = new TurnView(rootId, () => undefined);
    view.addPrompt(id, createdAt);
    view.entries(newer.filter(({ message }) => message.createdAt < until || message.parentId === id));
    for (const child of await descendants(dialect, rootId)) {
      const entries = await entriesSince(dialect, child.id, ({ message }) => message.createdAt < createdAt);
      view.entries(entries.filter(({ message }) => message.createdAt < until));
    }
    const text = last ? view.textOf(last.message.id) : '';
    return this.#report({ type: 'turn-ended', promptId: prompt.id, ...verdict, text, usage: view.usage() });
  }
}

/** A message belongs to the prompt that it answers, one of a sub-agent or after a compaction to the newest before it. */
function ownerOf(
  prompts: readonly TurnPrompt[],
  message: { readonly parentId: string | null; readonly createdAt: number },
): TurnPrompt | undefined {
  const named = prompts.find(({ messageId }) => messageId === message.parentId);
  return named ?? prompts.findLast(({ storedAt }) => (storedAt ?? 0) <= message.createdAt) ?? prompts[0];
}

/** Somebody's words, not what the engine puts in by itself. */
const isPrompt = ({ message, parts }: NativeEntry): boolean =>
  message.role === 'user' && parts.some((part) => part.type === 'text' && !part.isSynthetic);

const refused = (kind: Failure['class'], message: string): PromptReceipt => ({
  type: 'refused',
  failure: { class: kind, message, resetAt: null },
});
