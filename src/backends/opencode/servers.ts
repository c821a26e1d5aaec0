import { within } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { BackendContext } from '../backend.ts';
import { dialectFor, versionOf } from './dialects.ts';
import { connectHttp, type Http, HttpFailure } from './http.ts';
import { adoptServer, endEntry, type Launched, startServer } from './launch.ts';
import type { LaunchPlan } from './plan.ts';
import { OpencodeServer } from './server.ts';
import { type OpenLimit, waitOpen } from './wait-open.ts';

/** A server with what is needed to open sessions on it. */
export type Running = {
  readonly server: OpencodeServer;
  readonly version: string;
  readonly http: Http;
  /** Null for a server that is not ours: it is never stopped, disposed or configured. */
  readonly launched: Launched | null;
  readonly plan: LaunchPlan | null;
};

type Slot = {
  readonly key: string;
  readonly starting: Promise<Running>;
  readonly abort: AbortController;
  /** Sessions, and openings that have not ended. */
  users: number;
  /** Null until it has started. */
  running: Running | null;
  cancelIdle: () => void;
};

export type Lease = { readonly running: Running; readonly release: (isFailed: boolean) => Promise<void> };

const START_LIMIT_MS = 60_000;
/** A server without sessions costs 370 MB and 3 % of a core. */
const IDLE_LIMIT_MS = 5 * 60_000;
const DISPOSE_LIMIT_MS = 10_000;
const RETIRE_GRACE_MS = 2_000;
const ATTACHED = 'attached';

/** The servers of one backend: one per key, started once for all that want it at the same time, ended when idle. */
export class Servers {
  readonly #context: BackendContext;
  readonly #slots = new Map<string, Slot>();
  readonly #ours = new Set<string>();
  readonly #ending = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(context: BackendContext) {
    this.#context = context;
  }

  isOurs(entryId: string): boolean {
    return this.#ours.has(entryId);
  }

  /** @throws AppError as Backend.open does; nothing is left of a start that nobody waits for any more. */
  async acquire(plan: LaunchPlan | null, gantrySession: string, limit: OpenLimit): Promise<Lease> {
    if (this.#isClosed) throw new AppError('cancelled', `the backend "${this.#context.id}" is closed`);
    const key = plan?.key ?? ATTACHED;
    await this.#endOthers(gantrySession, key);
    await this.#slots.get(key)?.running?.server.check();
    const slot = this.#current(key) ?? this.#slot(key, plan);
    slot.users += 1;
    slot.cancelIdle();
    let isReleased = false;
    const release = async (isFailed: boolean): Promise<void> => {
      if (isReleased) return;
      isReleased = true;
      await this.#release(slot, isFailed);
    };
    try {
      return { running: await waitOpen(slot.starting, limit, 'the OpenCode server'), release };
    } catch (error) {
      await release(true);
      throw error;
    }
  }

  /** Ends all, or with `isKept` lets those that serve a session live on. */
  async close(graceMs: number, isKept: boolean): Promise<void> {
    this.#isClosed = true;
    const slots = [...this.#slots.values()];
    for (const slot of slots) {
      slot.cancelIdle();
      if (!slot.running) slot.abort.abort();
    }
    await Promise.allSettled(
      slots.map(async (slot) => {
        if (!isKept || slot.users === 0) return await this.#retire(slot, isKept ? RETIRE_GRACE_MS : graceMs);
        await (await slot.starting).server.close({ type: 'closed' });
      }),
    );
    await Promise.allSettled(this.#ending);
  }

  /**
   * A server of an earlier daemon with other settings may still work on the session: two servers would both answer its
   * prompts.
   */
  async #endOthers(gantrySession: string, key: string): Promise<void> {
    const { book, id } = this.#context;
    const others = book.list(id).filter(({ id: entryId, data }) => {
      const sessions = Array.isArray(data.sessions) ? data.sessions : [];
      return !this.isOurs(entryId) && data.key !== key && sessions.includes(gantrySession);
    });
    await Promise.all(others.map((entry) => endEntry(entry, this.#context)));
  }

  /** One that is ending is no longer to be had. */
  #current(key: string): Slot | undefined {
    const slot = this.#slots.get(key);
    return slot?.running?.server.isGone ? undefined : slot;
  }

  #slot(key: string, plan: LaunchPlan | null): Slot {
    const abort = new AbortController();
    const starting = plan ? this.#launch(plan, abort.signal) : this.#attach();
    const slot: Slot = { key, starting, abort, users: 0, running: null, cancelIdle: () => undefined };
    this.#slots.set(key, slot);
    starting.then(
      (running) => {
        slot.running = running;
      },
      () => this.#forget(slot),
    );
    return slot;
  }

  #forget(slot: Slot): void {
    if (this.#slots.get(slot.key) === slot) this.#slots.delete(slot.key);
  }

  async #release(slot: Slot, isFailed: boolean): Promise<void> {
    slot.users -= 1;
    if (slot.users > 0) return;
    if (!slot.running) {
      slot.abort.abort();
      await slot.starting.catch(() => undefined);
    }
    if (slot.users > 0 || this.#slots.get(slot.key) !== slot) return;
    // An isolated one can serve no other workspace.
    const isIsolated = (slot.running?.plan?.host ?? this.#context.host) !== this.#context.host;
    if (isFailed || isIsolated) await this.#retire(slot, RETIRE_GRACE_MS);
    else if (!this.#isClosed) {
      slot.cancelIdle = this.#context.clock.after(IDLE_LIMIT_MS, () => void this.#retire(slot, RETIRE_GRACE_MS));
    }
  }

  #retire(slot: Slot, graceMs: number): Promise<void> {
    this.#forget(slot);
    const ending = this.#end(slot, graceMs).catch((error: unknown) => {
      this.#context.log.error({ err: error }, 'an OpenCode server could not be ended');
    });
    this.#ending.add(ending);
    return ending.finally(() => this.#ending.delete(ending));
  }

  /** `/global/dispose` first: a signal alone leaves the commands that run. */
  async #end(slot: Slot, graceMs: number): Promise<void> {
    const running = await slot.starting.catch(() => null);
    if (!running) return;
    const { server, launched } = running;
    if (server.isGone) return;
    await server.close({ type: 'closed' });
    if (!launched) return;
    await server.dialect.disposeAll(DISPOSE_LIMIT_MS).catch((error: unknown) => {
      if (!(error instanceof HttpFailure)) throw error;
    });
    const { survivors } = await launched.stop(graceMs);
    this.#ours.delete(launched.id);
    if (survivors.length > 0) this.#context.log.error({ survivors }, 'an OpenCode server could not be ended');
  }

  async #launch(plan: LaunchPlan, signal: AbortSignal): Promise<Running> {
    const limitMs = this.#context.settings.startLimit ?? START_LIMIT_MS;
    const adopted = await adoptServer(plan.key, this.#context, (id) => this.isOurs(id));
    const launched = adopted ?? (await startServer(plan, this.#context, limitMs, signal, (id) => this.#ours.add(id)));
    this.#ours.add(launched.id);
    const { clock, log } = this.#context;
    const server = new OpencodeServer({
      id: launched.id,
      http: launched.http,
      dialect: launched.dialect,
      clock,
      log,
      exited: launched.exited,
      isAlive: launched.isAlive,
      stop: async () => (await launched.stop(RETIRE_GRACE_MS)).exit,
      onGone: () => this.#gone(plan.key, server, launched.id),
    });
    const running = { server, version: launched.version, http: launched.http, launched, plan };
    return await this.#connected(running, () => launched.stop(RETIRE_GRACE_MS));
  }

  async #attach(): Promise<Running> {
    const { settings, clock, log, id } = this.#context;
    const http = connectHttp(settings.url ?? '', settings.env?.OPENCODE_SERVER_PASSWORD ?? null);
    const version = await versionOf(http, settings.startLimit ?? START_LIMIT_MS).catch((error: unknown) => {
      if (!(error instanceof HttpFailure)) throw error;
      const hint = error.status === 401 ? ': set OPENCODE_SERVER_PASSWORD in its env' : '';
      throw new AppError('backend_failed', `backends.${id}.url: no OpenCode server answers: ${error.message}${hint}`);
    });
    const dialect = dialectFor(version, http);
    const server = new OpencodeServer({
      id: ATTACHED,
      http,
      dialect,
      clock,
      log,
      exited: null,
      isAlive: async () => true,
      stop: async () => ({ code: null, signal: null }),
      onGone: () => this.#gone(ATTACHED, server, null),
    });
    return await this.#connected({ server, version, http, launched: null, plan: null }, async () => undefined);
  }

  async #connected(running: Running, undo: () => Promise<unknown>): Promise<Running> {
    const limitMs = this.#context.settings.startLimit ?? START_LIMIT_MS;
    try {
      await within(running.server.connected, limitMs, () => {
        return new AppError('timeout', 'the event stream of OpenCode was not open in time');
      });
      return running;
    } catch (error) {
      await running.server.close({ type: 'closed' });
      await undo();
      throw error;
    }
  }

  #gone(key: string, server: OpencodeServer, entryId: string | null): void {
    if (entryId !== null) this.#ours.delete(entryId);
    const slot = this.#slots.get(key);
    if (!slot) return;
    if (slot.running?.server === server) this.#forget(slot);
  }
}
