import { newId } from '../base/ids.ts';
import { deferred, pause, within } from '../base/wait.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { HostProcess, HostStart } from '../hosts/host.ts';
import type { BackendContext, BackendSession, Capabilities, OpenSpec, ProcessEntry } from './backend.ts';
import { contextFor } from './isolated.ts';

const FAILED_OPEN_GRACE_MS = 1_000;
const STRAY_GRACE_MS = 2_000;

export type ProgramStart = Pick<HostStart, 'command' | 'cwd' | 'env' | 'maxLineBytes'> & {
  /** What of the program is neither beside its file nor among its packages. */
  readonly readable?: readonly string[];
};
type Limits = Pick<OpenSpec, 'limitMs' | 'signal'>;

/** What differs between agent programs that are started once per session and speak on their stdio. */
export type ProgramKind<S extends BackendSession, P extends ProgramStart = ProgramStart> = {
  /** In words: `fake agent`. */
  readonly name: string;
  readonly capabilities: () => Capabilities;
  readonly start: (spec: OpenSpec) => Promise<P>;
  /** Speaks with the program until the session would take a prompt. */
  readonly greet: (spec: OpenSpec, program: Program, plan: P) => Promise<S>;
  /** Removes what `start` has made for a session that did not come about. */
  readonly discard?: (plan: P) => void;
};

/** A program that runs for one session that is not open yet. */
export type Program = {
  readonly process: HostProcess;
  /**
   * Waits for `hello` within the limits of the spec. `outputEnded` settles when the program says no more.
   * @throws AppError `timeout`, `cancelled`, `backend_failed`
   */
  readonly ready: <T>(hello: Promise<T>, outputEnded: Promise<unknown>) => Promise<T>;
  /** To be called once, when the session has ended. */
  readonly over: (survivors: readonly number[]) => void;
};

/** The agent programs of one backend object: one per live session, in the book before it exists. */
export class Programs<S extends BackendSession, P extends ProgramStart = ProgramStart> {
  readonly #context: BackendContext;
  readonly #kind: ProgramKind<S, P>;
  /** Native ids that are open or being opened, and the entries of the book that are ours. */
  readonly #taken = new Set<string>();
  readonly #ours = new Set<string>();
  readonly #sessions = new Set<S>();
  readonly #opening = new Set<Promise<unknown>>();
  readonly #closed = new AbortController();

  constructor(context: BackendContext, kind: ProgramKind<S, P>) {
    this.#context = context;
    this.#kind = kind;
  }

  /** @throws AppError as `Backend.open` */
  async open(spec: OpenSpec): Promise<S> {
    this.#refuse(spec);
    const resumed = spec.from.type === 'resume' ? spec.from.nativeId : null;
    if (resumed !== null) {
      if (this.#taken.has(resumed)) throw new AppError('conflict', `session ${resumed} is open already`);
      this.#taken.add(resumed);
    }
    const opening = this.#open(spec, resumed);
    this.#opening.add(opening);
    try {
      return await opening;
    } catch (error) {
      if (resumed !== null) this.#taken.delete(resumed);
      throw error;
    } finally {
      this.#opening.delete(opening);
    }
  }

  async sweep(): Promise<readonly { readonly what: string; readonly pids: readonly number[] }[]> {
    // Without its pipes nobody can use such a program, whatever session it has.
    const strays = this.#context.book.list(this.#context.id).filter((entry) => !this.#ours.has(entry.id));
    return await Promise.all(strays.map((entry) => this.#endStray(entry)));
  }

  async close(graceMs: number): Promise<void> {
    this.#closed.abort();
    await Promise.allSettled(this.#opening);
    await Promise.all([...this.#sessions].map((session) => session.close(graceMs)));
  }

  #refuse({ from, mcp }: OpenSpec): void {
    const has = this.#kind.capabilities();
    const lack =
      from.type !== 'new' && !has[from.type] ? from.type : Object.keys(mcp).length > 0 && !has.mcp ? 'mcp' : null;
    if (lack !== null) throw new AppError('unsupported', `the backend "${this.#context.id}" has no "${lack}"`);
    if (this.#closed.signal.aborted) throw new AppError('cancelled', `the backend "${this.#context.id}" is closed`);
  }

  /** Starts the program for as long as it takes to ask it something. @throws AppError as `Backend.open` */
  async ask<T>(plan: ProgramStart, limits: Limits, speak: (program: Program) => Promise<T>): Promise<T> {
    const entry = this.#write({ nativeId: null, sessionId: 'a probe' });
    let process: HostProcess | null = null;
    try {
      const started = await this.#start(plan, entry, this.#context);
      process = started;
      const ready: Program['ready'] = (hello, outputEnded) => this.#ready(limits, started, hello, outputEnded);
      return await speak({ process, ready, over: () => undefined });
    } catch (error) {
      throw toStartError(error);
    } finally {
      await this.#giveUp(process, entry);
    }
  }

  async #open(spec: OpenSpec, resumed: string | null): Promise<S> {
    const { book, id: kind } = this.#context;
    const left = book.list(kind).filter((entry) => entry.data.nativeId === resumed && !this.#ours.has(entry.id));
    if (resumed !== null) await Promise.all(left.map((entry) => this.#endStray(entry)));
    const entry = this.#write({ nativeId: resumed, sessionId: spec.sessionId });
    let process: HostProcess | null = null;
    let plan: P | null = null;
    try {
      plan = await this.#kind.start(spec);
      process = await this.#start(plan, entry, contextFor(spec, this.#context));
      return await this.#greet(spec, process, entry, plan);
    } catch (error) {
      await this.#giveUp(process, entry);
      if (plan) this.#kind.discard?.(plan);
      throw toStartError(error);
    }
  }

  #write(data: ProcessEntry['data']): ProcessEntry {
    const { book, clock, id: kind } = this.#context;
    const id = newId('spawn', clock.now());
    const entry = { id, kind, marker: id, record: null, data };
    this.#ours.add(id);
    book.put(entry);
    return entry;
  }

  async #start(plan: ProgramStart, entry: ProcessEntry, { host, home, book }: BackendContext): Promise<HostProcess> {
    const { command, cwd, env, maxLineBytes, readable = [] } = plan;
    const pipes = { stdin: 'pipe', output: 'pipe', ...(maxLineBytes === undefined ? {} : { maxLineBytes }) } as const;
    const access = { writable: [home], readable };
    const process = await host.start({ command, cwd, env, marker: entry.marker, access, ...pipes });
    book.put({ ...entry, record: process.record });
    return process;
  }

  async #giveUp(process: HostProcess | null, { id }: ProcessEntry): Promise<void> {
    const stopped = await process?.stop({ graceMs: FAILED_OPEN_GRACE_MS });
    if ((stopped?.survivors ?? []).length === 0) this.#context.book.remove(id);
    this.#ours.delete(id);
  }

  async #greet(spec: OpenSpec, process: HostProcess, entry: ProcessEntry, plan: P): Promise<S> {
    const { book } = this.#context;
    let session: S | null = null;
    let isOver = false;
    const program: Program = {
      process,
      ready: (hello, outputEnded) => this.#ready(spec, process, hello, outputEnded),
      over: (survivors) => {
        isOver = true;
        for (const nativeId of [session?.nativeId, entry.data.nativeId]) this.#taken.delete(String(nativeId));
        if (session) this.#sessions.delete(session);
        this.#ours.delete(entry.id);
        if (survivors.length === 0) book.remove(entry.id);
      },
    };
    const opened = await this.#kind.greet(spec, program, plan);
    if (isOver) return opened;
    session = opened;
    const { nativeId } = opened;
    book.put({ ...entry, record: process.record, data: { ...entry.data, nativeId } });
    this.#taken.add(nativeId);
    // A new session in the place of one that could not be resumed.
    if (entry.data.nativeId !== nativeId) this.#taken.delete(String(entry.data.nativeId));
    this.#sessions.add(opened);
    return opened;
  }

  async #ready<T>(
    { limitMs: longest, signal }: Limits,
    process: HostProcess,
    hello: Promise<T>,
    outputEnded: Promise<unknown>,
  ): Promise<T> {
    const { name } = this.#kind;
    const limitMs = Math.min(longest, this.#context.settings.startLimit ?? longest);
    const stop = deferred<never>();
    const onAbort = (): void => stop.reject(new AppError('cancelled', 'the start was cancelled'));
    const signals = AbortSignal.any([signal, this.#closed.signal]);
    if (signals.aborted) onAbort();
    signals.addEventListener('abort', onAbort, { once: true });
    const ended = outputEnded.then(() => this.#endBeforeReady(process));
    const spoken = hello.catch(async (error: unknown) => {
      // The program's end says more than what its end does to a request.
      if (!(error instanceof AppError)) await Promise.race([ended, pause(FAILED_OPEN_GRACE_MS)]);
      throw error;
    });
    try {
      return await within(Promise.race([spoken, ended, stop.promise]), limitMs, () => {
        return new AppError('timeout', `the ${name} was not ready after ${limitMs} ms`);
      });
    } finally {
      signals.removeEventListener('abort', onAbort);
      // Seen by the session from now on.
      ended.catch(() => undefined);
      spoken.catch(() => undefined);
    }
  }

  async #endBeforeReady(process: HostProcess): Promise<never> {
    const { name } = this.#kind;
    const { code, signal } = await within(process.exited, FAILED_OPEN_GRACE_MS, () => {
      return new AppError('backend_failed', `the ${name} closed its output before it was ready`);
    });
    const how = code === null ? `signal ${signal}` : `exit code ${code}`;
    const words = (await process.lastOutput()).trim();
    throw new AppError('backend_failed', `the ${name} ended before it was ready, with ${how}: ${words || 'no words'}`);
  }

  async #endStray(entry: ProcessEntry): Promise<{ readonly what: string; readonly pids: readonly number[] }> {
    const { host, book } = this.#context;
    const records = entry.record ? [entry.record] : await host.find(entry.marker);
    const pids: number[] = [];
    let survivors = 0;
    for (const record of records) {
      if (await host.isAlive(record)) pids.push(record.pid);
      survivors += (await host.stop(record, { graceMs: STRAY_GRACE_MS })).survivors.length;
    }
    if (survivors === 0) book.remove(entry.id);
    return { what: `the ${this.#kind.name} of session ${String(entry.data.nativeId ?? entry.data.sessionId)}`, pids };
  }
}

/** @returns what `open` may throw. */
function toStartError(error: unknown): AppError {
  const known = toAppError(error);
  if (known.code !== 'spawn_failed') return known;
  const isMissing = known.details?.cause === 'ENOENT' || known.details?.cause === 'EACCES';
  return new AppError(isMissing ? 'backend_missing' : 'backend_failed', known.message, { cause: error });
}
