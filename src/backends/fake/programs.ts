import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../../base/ids.ts';
import { deferred, within } from '../../base/wait.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { HostProcess } from '../../hosts/host.ts';
import { type BackendContext, CAPABILITIES, type Capabilities, type OpenSpec, type ProcessEntry } from '../backend.ts';
import { commandOf, versionProblem } from './command.ts';
import { Connection, type Hello, MAX_LINE_BYTES } from './connection.ts';
import { FakeSession } from './session.ts';

const FAILED_OPEN_GRACE_MS = 1_000;
const STRAY_GRACE_MS = 2_000;

/** The agent programs of one backend object: one per live session. */
export class Programs {
  readonly #context: BackendContext;
  readonly #capabilities: Capabilities;
  readonly #heartbeatMs: number;
  /** Native ids that are open or being opened, and the entries of the book that are ours. */
  readonly #taken = new Set<string>();
  readonly #ours = new Set<string>();
  readonly #sessions = new Set<FakeSession>();
  readonly #opening = new Set<Promise<unknown>>();
  readonly #closed = new AbortController();

  constructor(context: BackendContext, capabilities: Capabilities, heartbeatMs: number) {
    this.#context = context;
    this.#capabilities = capabilities;
    this.#heartbeatMs = heartbeatMs;
  }

  async open(spec: OpenSpec): Promise<FakeSession> {
    this.#refuse(spec);
    const resumed = spec.from.type === 'resume' ? spec.from.nativeId : null;
    if (resumed !== null) {
      if (this.#taken.has(resumed)) throw new AppError('conflict', `session ${resumed} is open already`);
      this.#taken.add(resumed);
    }
    const opening = this.#open(spec, resumed);
    this.#opening.add(opening);
    try {
      const session = await opening;
      this.#sessions.add(session);
      return session;
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
    const has = this.#capabilities;
    const lack =
      from.type !== 'new' && !has[from.type] ? from.type : Object.keys(mcp).length > 0 && !has.mcp ? 'mcp' : null;
    if (lack !== null) throw new AppError('unsupported', `the backend "${this.#context.id}" has no "${lack}"`);
    if (this.#closed.signal.aborted) throw new AppError('cancelled', `the backend "${this.#context.id}" is closed`);
  }

  async #open(spec: OpenSpec, resumed: string | null): Promise<FakeSession> {
    const { book, clock, id: kind } = this.#context;
    const left = book.list(kind).filter((entry) => entry.data.nativeId === resumed && !this.#ours.has(entry.id));
    if (resumed !== null) await Promise.all(left.map((entry) => this.#endStray(entry)));
    const id = newId('spawn', clock.now());
    const entry: ProcessEntry = {
      id,
      kind,
      marker: id,
      record: null,
      data: { nativeId: resumed, sessionId: spec.sessionId },
    };
    this.#ours.add(id);
    book.put(entry);
    let program: HostProcess | null = null;
    try {
      program = await this.#start(spec, entry.marker);
      book.put({ ...entry, record: program.record });
      return await this.#greet(spec, program, entry);
    } catch (error) {
      const stopped = await program?.stop({ graceMs: FAILED_OPEN_GRACE_MS });
      if ((stopped?.survivors ?? []).length === 0) book.remove(id);
      this.#ours.delete(id);
      throw toOpenError(error);
    }
  }

  async #start({ directory, env, from }: OpenSpec, marker: string): Promise<HostProcess> {
    const { host, home, environment, settings } = this.#context;
    const store = join(home, 'sessions');
    await mkdir(store, { recursive: true, mode: 0o700 });
    const privateHome = settings.profile === 'private' ? { HOME: join(home, 'home') } : {};
    if (privateHome.HOME !== undefined) await mkdir(privateHome.HOME, { recursive: true, mode: 0o700 });
    return await host.start({
      command: [
        ...commandOf(this.#context),
        '--store',
        store,
        ...(from.type === 'new' ? [] : [`--${from.type}`, from.nativeId]),
      ],
      cwd: directory,
      env: { ...environment, ...privateHome, ...settings.env, ...env },
      marker,
      stdin: 'pipe',
      output: 'pipe',
      maxLineBytes: MAX_LINE_BYTES,
    });
  }

  async #greet(spec: OpenSpec, program: HostProcess, entry: ProcessEntry): Promise<FakeSession> {
    const { book, log, settings } = this.#context;
    const connection = new Connection(program);
    let session: FakeSession | null = null;
    const reading = connection.read({
      event: (frame) => session?.take(frame),
      notice: (text) => {
        if (session) session.notice(text);
        else log.warn({ session: spec.sessionId }, text);
      },
    });
    connection.send({
      type: 'open',
      directory: spec.directory,
      title: spec.title,
      tools: spec.profile.tools,
      model: spec.model ?? settings.model ?? null,
      instructions: spec.instructions,
      off: CAPABILITIES.filter((name) => !this.#capabilities[name]),
      heartbeatMs: this.#heartbeatMs,
    });
    const hello = await this.#hello(spec, program, connection.hello, reading);
    book.put({ ...entry, record: program.record, data: { ...entry.data, nativeId: hello.nativeId } });
    this.#taken.add(hello.nativeId);
    const opened = new FakeSession({
      hello,
      process: program,
      connection,
      capabilities: this.#capabilities,
      onEnd: (survivors) => {
        for (const nativeId of [hello.nativeId, entry.data.nativeId]) this.#taken.delete(String(nativeId));
        this.#sessions.delete(opened);
        this.#ours.delete(entry.id);
        if (survivors.length === 0) book.remove(entry.id);
      },
    });
    session = opened;
    reading
      .then((fault) => opened.outputEnded(fault))
      .catch((err: unknown) => log.error({ err, session: spec.sessionId }, 'the end of a fake agent was not seen to'));
    return opened;
  }

  async #hello(
    { limitMs: longest, signal }: OpenSpec,
    program: HostProcess,
    greeting: Promise<Hello>,
    reading: Promise<unknown>,
  ): Promise<Hello> {
    const limitMs = Math.min(longest, this.#context.settings.startLimit ?? longest);
    const stop = deferred<never>();
    const onAbort = (): void => stop.reject(new AppError('cancelled', 'the start was cancelled'));
    const signals = AbortSignal.any([signal, this.#closed.signal]);
    if (signals.aborted) onAbort();
    signals.addEventListener('abort', onAbort, { once: true });
    const ended = reading.then(async () => {
      const { code, signal: by } = await within(program.exited, FAILED_OPEN_GRACE_MS, () => {
        return new AppError('backend_failed', 'the fake agent closed its output before it was ready');
      });
      const how = code === null ? `signal ${by}` : `exit code ${code}`;
      const words = (await program.lastOutput()).trim();
      throw new AppError(
        'backend_failed',
        `the fake agent ended before it was ready, with ${how}: ${words || 'no words'}`,
      );
    });
    try {
      const hello = await within(Promise.race([greeting, ended, stop.promise]), limitMs, () => {
        return new AppError('timeout', `the fake agent was not ready after ${limitMs} ms`);
      });
      const problem = versionProblem(hello.version);
      if (problem !== null) throw new AppError('backend_version', problem);
      return hello;
    } finally {
      signals.removeEventListener('abort', onAbort);
      // Seen by the session from now on.
      ended.catch(() => undefined);
    }
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
    return { what: `the fake agent of session ${String(entry.data.nativeId ?? entry.data.sessionId)}`, pids };
  }
}

/** @returns what `open` may throw. */
function toOpenError(error: unknown): AppError {
  const known = toAppError(error);
  if (known.code !== 'spawn_failed') return known;
  const isMissing = known.details?.cause === 'ENOENT' || known.details?.cause === 'EACCES';
  return new AppError(isMissing ? 'backend_missing' : 'backend_failed', known.message, { cause: error });
}
