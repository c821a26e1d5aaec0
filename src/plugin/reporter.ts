import { AppError } from '../contract/errors.ts';
import { clip } from './clip.ts';
import type { Observation } from './observe.ts';

/** An event as the events API takes it. `event_id`: a repeat of it is stored once. */
export type WireEvent = {
  readonly source_app: string;
  readonly session_id: string;
  readonly hook_event_type: string;
  readonly payload: unknown;
  readonly timestamp: number;
  readonly event_id: string;
  readonly model_name?: string;
};

export type ReporterOptions = {
  readonly sourceApp: string;
  /** Posts events; resolves when they are stored. @throws AppError */
  readonly post: (events: readonly WireEvent[], signal: AbortSignal) => Promise<void>;
  /** Said once for each time that the daemon is away. */
  readonly warn: (text: string) => void;
  readonly note: (text: string) => void;
  readonly now: () => number;
  /** Begins every event's id: of this process alone. */
  readonly instance: string;
};

const MAX_WAITING = 1_000;
const MAX_BATCH = 100;
/** Of one POST, far below what the daemon takes. */
const MAX_BATCH_CHARACTERS = 2_000_000;
/** What comes within this time goes out together. */
const GATHER_MS = 100;
const POST_LIMIT_MS = 5_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** Sends observations in the background, in order and each once; whoever adds one never waits. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #waiting: WireEvent[] = [];
  #count = 0;
  /** So many of the oldest are in the POST that runs. */
  #underWay = 0;
  #dropped = 0;
  #pauseMs = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #sending: { readonly done: Promise<void>; readonly abort: AbortController } | null = null;
  #isClosed = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  add({ type, sessionId, payload, model }: Observation): void {
    if (this.#isClosed) return;
    const { sourceApp, now, instance } = this.#options;
    this.#count += 1;
    this.#waiting.push({
      source_app: sourceApp,
      session_id: sessionId,
      hook_event_type: type,
      payload: clip({ session_id: sessionId, hook_event_name: type, ...payload }),
      timestamp: now(),
      event_id: `${instance}.${this.#count}`,
      ...(model !== undefined && { model_name: model }),
    });
    if (this.#waiting.length > MAX_WAITING) {
      // The oldest that is not on its way.
      this.#waiting.splice(this.#underWay, 1);
      this.#dropped += 1;
    }
    this.#schedule(GATHER_MS);
  }

  /** Sends what is left within limitMs, then lets go. */
  async close(limitMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const isWarned = this.#pauseMs > 0;
    if (this.#timer) clearTimeout(this.#timer);
    const limit = AbortSignal.timeout(limitMs);
    // A POST that hangs must not eat up the time: its events are sent again, and are stored once.
    this.#sending?.abort.abort();
    await this.#sending?.done;
    while (this.#waiting.length > 0 && !limit.aborted && (await this.#send(limit))) this.#pauseMs = 0;
    if (this.#waiting.length === 0) return;
    const lost = `${this.#waiting.length} events could not be handed to Gantry before the end`;
    if (isWarned) this.#options.note(lost);
    else this.#options.warn(lost);
  }

  #schedule(afterMs: number): void {
    if (this.#timer || this.#sending || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const abort = new AbortController();
      const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(POST_LIMIT_MS)]);
      const done = this.#send(signal).then(() => {
        this.#sending = null;
        if (this.#waiting.length > 0) this.#schedule(this.#pauseMs);
      });
      this.#sending = { done, abort };
    }, afterMs);
    // OpenCode's own end must not wait for it.
    this.#timer.unref();
  }

  /** Never rejects. @returns whether something was sent or given up, so that it makes sense to go on */
  async #send(signal: AbortSignal): Promise<boolean> {
    const batch = batchOf(this.#waiting);
    this.#underWay = batch.length;
    try {
      await this.#options.post(batch, signal);
    } catch (error) {
      return this.#failed(batch.length, error);
    } finally {
      this.#underWay = 0;
    }
    this.#waiting.splice(0, batch.length);
    if (this.#pauseMs > 0) this.#options.note('events are sent again');
    this.#pauseMs = 0;
    this.#tellDropped(batch[0]?.session_id ?? 'unknown');
    return true;
  }

  #failed(count: number, error: unknown): boolean {
    const said = error instanceof Error ? error.message : String(error);
    if (isRefused(error)) {
      this.#options.note(`${count} events were refused: ${said}`);
      this.#waiting.splice(0, count);
      return true;
    }
    if (!this.#isClosed && this.#pauseMs === 0)
      this.#options.warn(`Gantry does not take this session's events: ${said}`);
    this.#pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs), LONGEST_PAUSE_MS);
    return false;
  }

  #tellDropped(sessionId: string): void {
    if (this.#dropped === 0) return;
    const count = this.#dropped;
    this.#dropped = 0;
    this.#options.note(`${count} events were dropped while the daemon was away`);
    this.add({ type: 'EventsDropped', sessionId, payload: { count } });
  }
}

/** The daemon has read them and will never take them; a wrong token may become right. */
const isRefused = (error: unknown): boolean =>
  error instanceof AppError && ['bad_request', 'too_large', 'unsupported_media_type'].includes(error.code);

function batchOf(waiting: readonly WireEvent[]): WireEvent[] {
  const batch: WireEvent[] = [];
  let characters = 0;
  for (const event of waiting.slice(0, MAX_BATCH)) {
    characters += JSON.stringify(event).length;
    if (batch.length > 0 && characters > MAX_BATCH_CHARACTERS) break;
    batch.push(event);
  }
  return batch;
}
