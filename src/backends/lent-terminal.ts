import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../base/ids.ts';
import { deferred, pause } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import type { RunResult } from '../hosts/host.ts';
import type { BackendContext, Loan, ProcessEntry } from './backend.ts';

/** A program that a person is to have alone. */
export type LentProgram = {
  readonly nativeId: string;
  /** Shown at the foot of the terminal. */
  readonly title: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** A directory of this loan alone, which ends with it. A socket is made in it: its path may have about 90 characters. */
  readonly own: string;
  /** Whether the program shows the conversation by now. */
  readonly isReady: () => Promise<boolean>;
};

/** One that does not say that it is ready, as it asks the person something first, is shown all the same. */
const READY_LIMIT_MS = 30_000;
/** If nobody comes to look at it for so long, it is over. */
const VISIT_LIMIT_MS = 60_000;
const LOOK_MS = 100;
const ASK_LIMIT_MS = 10_000;
const GRACE_MS = 5_000;
const SESSION = 'gantry';

/**
 * Conversations in terminals of people (tmux 3.2 or later; tested with 3.3a): a server of its own for each, which lives on
 * without Gantry and ends when the last person leaves it or its program ends. Nothing is ever typed into it.
 */
export class LentTerminals {
  readonly #context: BackendContext;
  readonly #closed = new AbortController();

  constructor(context: BackendContext) {
    this.#context = context;
  }

  /** What loans of this home keep their things in. */
  directories(): readonly string[] {
    return this.#entries().map(({ data }) => String(data.own));
  }

  /** @throws AppError `backend_missing` without tmux, `backend_failed` if the program ends at once */
  async lend(program: LentProgram): Promise<Loan> {
    const { book, clock } = this.#context;
    const id = newId('spawn', clock.now());
    const data = { nativeId: program.nativeId, own: program.own };
    const entry: ProcessEntry = { id, kind: this.#kind, marker: id, record: null, data };
    book.put(entry);
    try {
      await this.#start(entry, program);
      await this.#untilReady(entry, program);
    } catch (error) {
      await this.#end(entry, GRACE_MS);
      throw error;
    }
    return this.#loanOf(entry);
  }

  /** The loan of a conversation that an earlier daemon made, if it is not over. */
  async find(nativeId: string): Promise<Loan | null> {
    const entry = this.#entries().find(({ data }) => data.nativeId === nativeId);
    if (!entry) return null;
    if (await this.#isOpen(entry)) return this.#loanOf(entry);
    await this.#end(entry, GRACE_MS);
    return null;
  }

  /** Lets go of them: they live on. */
  close(): void {
    this.#closed.abort();
  }

  get #kind(): string {
    return `${this.#context.id}.lent`;
  }

  #entries(): readonly ProcessEntry[] {
    return this.#context.book.list(this.#kind);
  }

  async #start(entry: ProcessEntry, { command, cwd, env, own, title }: LentProgram): Promise<void> {
    const { host, book } = this.#context;
    const [config, script] = [join(own, 'tmux.conf'), join(own, 'view.sh')];
    await mkdir(own, { recursive: true, mode: 0o700 });
    await writeFile(script, `cd ${quoted(cwd)} && exec ${command.map(quoted).join(' ')}\n`, { mode: 0o600 });
    await writeFile(config, configOf(title, script), { mode: 0o600 });
    try {
      const { record } = await host.start({
        // Not as a daemon of its own making: its pid is known before anything runs in it.
        command: ['tmux', '-u', '-D', '-S', socketIn(own), '-f', config],
        cwd: own,
        env,
        marker: entry.marker,
        stdin: 'ignore',
        output: { file: join(own, 'tmux.log') },
      });
      book.put({ ...entry, record });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'spawn_failed') throw error;
      throw new AppError('backend_missing', `a view of its own needs tmux: ${error.message}`, { cause: error });
    }
  }

  async #untilReady(entry: ProcessEntry, { isReady }: LentProgram): Promise<void> {
    const end = performance.now() + READY_LIMIT_MS;
    let wasOpen = false;
    for (;;) {
      const isOpen = await this.#isOpen(entry);
      wasOpen ||= isOpen;
      if (isOpen && (performance.now() >= end || (await isReady()))) return;
      if (!isOpen && (wasOpen || !(await this.#isAlive(entry))))
        throw new AppError('backend_failed', 'the agent program ended before it showed its conversation');
      await pause(LOOK_MS);
    }
  }

  #loanOf(entry: ProcessEntry): Loan {
    const over = deferred<void>();
    this.#untilOver(entry).then(over.resolve, (err: unknown) => {
      // At our own end whoever holds it still does.
      if (!this.#closed.signal.aborted) this.#context.log.error({ err }, 'the end of a loan was not seen');
    });
    return {
      view: {
        command: ['tmux', '-u', '-S', socketIn(String(entry.data.own)), 'attach-session', '-t', SESSION],
        env: {},
      },
      over: over.promise,
      end: async (graceMs) => {
        await this.#ask(entry, ['kill-server']);
        await this.#end(entry, graceMs);
      },
    };
  }

  async #untilOver(entry: ProcessEntry): Promise<void> {
    const { clock } = this.#context;
    const forget = clock.after(VISIT_LIMIT_MS, () => {
      this.#endUnvisited(entry).catch((err: unknown) => this.#context.log.error({ err }, 'a loan was not ended'));
    });
    try {
      while (await this.#isOpen(entry)) {
        // Answered when the server ends: nobody ever wakes this channel.
        await this.#ask(entry, ['wait-for', 'its-end'], Number.POSITIVE_INFINITY);
      }
    } finally {
      forget();
    }
    await this.#end(entry, GRACE_MS);
  }

  async #endUnvisited(entry: ProcessEntry): Promise<void> {
    const clients = await this.#ask(entry, ['list-clients']);
    if (clients.code === 0 && clients.stdout === '') await this.#ask(entry, ['kill-server']);
  }

  /** One that does not answer in time may still be there. */
  async #isOpen(entry: ProcessEntry): Promise<boolean> {
    const { code, isTimedOut } = await this.#ask(entry, ['has-session', '-t', SESSION]);
    return code === 0 || isTimedOut;
  }

  async #isAlive({ id }: ProcessEntry): Promise<boolean> {
    const record = this.#entries().find((entry) => entry.id === id)?.record ?? null;
    return record !== null && (await this.#context.host.isAlive(record));
  }

  /** One question to its server, which is never started by it. @throws AppError `cancelled` if the backend lets go of it */
  async #ask({ data }: ProcessEntry, words: readonly string[], limitMs = ASK_LIMIT_MS): Promise<RunResult> {
    const { host, environment } = this.#context;
    const own = String(data.own);
    const result = await host.run({
      command: ['tmux', '-N', '-S', socketIn(own), ...words],
      cwd: '/',
      env: environment,
      marker: null,
      limitMs,
      signal: this.#closed.signal,
    });
    if (result.isAborted) throw new AppError('cancelled', `the backend "${this.#context.id}" is closed`);
    return result;
  }

  /** Nothing of it is left when this resolves; what the system would not end is still in the book. */
  async #end(entry: ProcessEntry, graceMs: number): Promise<void> {
    const { host, book } = this.#context;
    const written = this.#entries().find(({ id }) => id === entry.id);
    const records = written?.record ? [written.record] : await host.find(entry.marker);
    let survivors = 0;
    for (const record of records) survivors += (await host.stop(record, { graceMs })).survivors.length;
    if (survivors > 0) return;
    await rm(String(entry.data.own), { recursive: true, force: true });
    book.remove(entry.id);
  }
}

const socketIn = (own: string): string => join(own, 'tmux');

/** For a shell. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** It ends with its program, and when the last person who came has left. */
function configOf(title: string, script: string): string {
  const name = title.replaceAll(/[^\w./-]/g, '_');
  return [
    'set -s exit-empty on',
    'set -s escape-time 10',
    'set -g default-terminal screen-256color',
    'set -g history-limit 50000',
    'set -g status-left-length 80',
    `set -g status-left " ${name}, lent by Gantry "`,
    'set -g status-right " Ctrl-B D gives it back "',
    'set -g window-status-format ""',
    'set -g window-status-current-format ""',
    "set-hook -g client-attached 'set -g destroy-unattached on'",
    `new-session -d -s ${SESSION} -x 120 -y 40 sh ${quoted(script)}`,
    '',
  ].join('\n');
}
