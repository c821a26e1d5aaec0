import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { AppError } from '../../contract/errors.ts';
import type { Exit } from '../../hosts/host.ts';
import type { EndReason } from '../backend.ts';
import type { Dialect, NativeEvent, NativeSession } from './dialect.ts';
import { versionOf } from './dialects.ts';
import { EventStream } from './event-stream.ts';
import { type Http, HttpFailure } from './http.ts';
import type { OpencodeSession } from './session.ts';

export type ServerOptions = {
  readonly id: string;
  readonly http: Http;
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly log: Log;
  /** Null for a server whose process we do not know. */
  readonly exited: Promise<Exit> | null;
  readonly isAlive: () => Promise<boolean>;
  /** Ends what a dead or deaf server has left. */
  readonly stop: () => Promise<Exit>;
  readonly onGone: () => void;
};

/** A server that lives but cannot be reached for so long is ended. */
const DEAF_LIMIT_MS = 60_000;
/** Heartbeats come every 10 s (OpenCode 1.18.33): one has been missed. */
const QUIET_MS = 15_000;
const HEALTH_LIMIT_MS = 5_000;
const MAX_FOREIGN = 5_000;
const MAX_WAITING_EVENTS = 1_000;
/** Frames that could not be read are told one by one up to here. */
const MAX_NOTED = 20;
const MAX_ANCESTORS = 16;

/** One server with the sessions that are open on it: hands every event of its stream to the session whose tree it is of. */
export class OpencodeServer {
  readonly id: string;
  readonly dialect: Dialect;
  readonly #options: ServerOptions;
  readonly #sessions = new Map<string, OpencodeSession>();
  /** The root of every session that we know; null: of none of ours. */
  readonly #roots = new Map<string, string | null>();
  /** Events of sessions that are being looked up. */
  readonly #waiting = new Map<string, NativeEvent[]>();
  readonly #stream: EventStream;
  #brokenSince: number | null = null;
  #lastFrameAt: number;
  #noted = 0;
  #gone: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: ServerOptions) {
    this.id = options.id;
    this.dialect = options.dialect;
    this.#options = options;
    this.#lastFrameAt = options.clock.now();
    this.#stream = new EventStream({
      clock: options.clock,
      open: (signal) => options.http.open(options.dialect.eventPath, signal),
      listener: { onFrame: this.#onFrame, onOpen: this.#onOpen, onBreak: this.#onBreak },
    });
    void options.exited?.then((exit) => this.#die(exit));
  }

  /** Resolves when events arrive. */
  get connected(): Promise<void> {
    return this.#stream.connected;
  }

  get sessions(): readonly OpencodeSession[] {
    return [...this.#sessions.values()];
  }

  get isGone(): boolean {
    return this.#isClosed || this.#gone !== null;
  }

  /** @throws AppError `backend_failed` if the server is gone already */
  add(session: OpencodeSession): void {
    if (this.isGone) throw new AppError('backend_failed', 'the OpenCode server ended');
    this.#sessions.set(session.nativeId, session);
    this.#roots.set(session.nativeId, session.nativeId);
  }

  /** Ends it now if it stands still: a heartbeat is missing, and it does not answer. Nobody waits for it out of patience then. */
  async check(): Promise<void> {
    const { clock, http } = this.#options;
    if (this.isGone || clock.now() - this.#lastFrameAt < QUIET_MS) return;
    try {
      await versionOf(http, HEALTH_LIMIT_MS);
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      await this.#die(null);
    }
  }

  addChild(childId: string, rootId: string): void {
    this.#roots.set(childId, rootId);
  }

  rootOf(sessionId: string): string | null {
    return this.#roots.get(sessionId) ?? null;
  }

  remove(session: OpencodeSession): void {
    this.#sessions.delete(session.nativeId);
    for (const [id, root] of this.#roots) if (root === session.nativeId) this.#roots.delete(id);
  }

  /** Reads no more; the sessions that are left end with `reason`. */
  async close(reason: EndReason): Promise<void> {
    this.#isClosed = true;
    await this.#stream.close();
    for (const session of this.sessions) session.end(reason);
    this.#sessions.clear();
  }

  readonly #onFrame = (data: string): void => {
    this.#lastFrameAt = this.#options.clock.now();
    let event: NativeEvent | null;
    try {
      event = this.dialect.decode(data);
    } catch (error) {
      this.#noted += 1;
      if (this.#noted <= MAX_NOTED)
        this.#options.log.warn({ err: error, server: this.id }, 'an event was not understood');
      return;
    }
    if (event?.type === 'alive') for (const session of this.sessions) session.take(event);
    else if (event) this.#route(event);
  };

  readonly #onOpen = (isFirst: boolean): void => {
    this.#brokenSince = null;
    if (isFirst) return;
    for (const session of this.sessions) {
      session.reconcile().catch((error: unknown) => {
        this.#options.log.warn({ err: error, session: session.nativeId }, 'a session could not be read after a break');
      });
    }
  };

  readonly #onBreak = (cause: string): void => {
    const isFirst = this.#brokenSince === null;
    this.#brokenSince ??= this.#options.clock.now();
    for (const session of this.sessions) {
      session.gap();
      if (isFirst) session.notice('info', `the event stream of OpenCode broke (${cause}); it is opened anew`);
    }
    void this.#lookAfter();
  };

  async #lookAfter(): Promise<void> {
    const { exited, isAlive, clock } = this.#options;
    if (!(await isAlive())) {
      if (exited === null) await this.#die({ code: null, signal: null });
    } else if (this.#brokenSince !== null && clock.now() - this.#brokenSince > DEAF_LIMIT_MS) {
      await this.#die(null);
    }
  }

  /** `exit` null: it lives and does not answer. */
  #die(exit: Exit | null): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#gone ??= this.#end(exit);
    return this.#gone;
  }

  async #end(known: Exit | null): Promise<void> {
    // What its tools have left is ended before anybody resumes the session.
    const stopped = await this.#options.stop().catch((error: unknown) => {
      this.#options.log.error({ err: error, server: this.id }, 'what a dead server left could not be ended');
      return null;
    });
    const exit = known ?? stopped;
    const how =
      exit === null || (exit.code === null && exit.signal === null)
        ? ''
        : `, with ${exit.code === null ? `signal ${exit.signal}` : `exit code ${exit.code}`}`;
    const message = known ? `the OpenCode server ended by itself${how}` : 'the OpenCode server did not answer any more';
    const [exitCode, signal] = [exit?.code ?? null, exit?.signal ?? null];
    const own = known !== null && exitCode !== null ? { exitCode } : {};
    const failure = { class: 'crash', message, resetAt: null, ...own } as const;
    this.#options.onGone();
    await this.close({ type: 'died', failure, exitCode, signal });
  }

  #route(event: Exclude<NativeEvent, { type: 'alive' }>): void {
    if (event.type === 'session') {
      this.#met(event.session);
      const root = this.#roots.get(event.session.id);
      if (root) this.#sessions.get(root)?.take(event);
      return;
    }
    const root = this.#roots.get(event.sessionId);
    if (root === undefined) this.#lookUp(event);
    else if (root !== null) this.#sessions.get(root)?.take(event);
  }

  #met({ id, parentId }: NativeSession): void {
    if (this.#roots.has(id) || parentId === null) return;
    const root = this.#roots.get(parentId);
    if (root) this.#roots.set(id, root);
  }

  /** `session.created` may be missing or late: the session itself is asked whose it is. Its events wait, in their order. */
  #lookUp(event: Exclude<NativeEvent, { type: 'alive' | 'session' }>): void {
    const { sessionId } = event;
    const waiting = this.#waiting.get(sessionId);
    if (waiting) {
      if (waiting.length < MAX_WAITING_EVENTS) waiting.push(event);
      return;
    }
    this.#waiting.set(sessionId, [event]);
    void this.#findRoot(sessionId).then((found) => {
      const events = this.#waiting.get(sessionId) ?? [];
      this.#waiting.delete(sessionId);
      // Not known is not foreign: the next event asks again. And it may have been opened meanwhile.
      if (!found) return;
      const root = this.#roots.get(sessionId) ?? found.root;
      if (root === null && this.#roots.size > MAX_FOREIGN) this.#forgetForeign();
      this.#roots.set(sessionId, root);
      const session = root === null ? undefined : this.#sessions.get(root);
      if (found.session) session?.take({ type: 'session', session: found.session });
      for (const missed of events) session?.take(missed);
    });
  }

  /** Null if the server cannot tell now. */
  async #findRoot(sessionId: string): Promise<{ session: NativeSession | null; root: string | null } | null> {
    try {
      const session = await this.dialect.session(sessionId);
      let ancestor = session;
      for (let depth = 0; ancestor && ancestor.parentId !== null && depth < MAX_ANCESTORS; depth += 1) {
        const root = this.#roots.get(ancestor.parentId);
        if (root) return { session, root };
        ancestor = await this.dialect.session(ancestor.parentId);
      }
      return { session, root: null };
    } catch (error) {
      if (!(error instanceof HttpFailure)) this.#options.log.warn({ err: error }, 'a session could not be looked up');
      return null;
    }
  }

  #forgetForeign(): void {
    for (const [id, root] of this.#roots) if (root === null) this.#roots.delete(id);
  }
}
