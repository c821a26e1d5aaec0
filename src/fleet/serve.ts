import { mkdir } from 'node:fs/promises';
import type { Backend, BackendSession } from '../backends/backend.ts';
import type { Log } from '../base/log.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import type { Checkouts } from './checkouts.ts';
import type { Given, Peer, RemoteWord, Served } from './peer.ts';
import { rewrite } from './rewrite.ts';
import type { CallName, Input } from './wire.ts';

const CLOSE_GRACE_MS = 5_000;

const NO_NEWS = { pack: null, blob: null, fault: null };

type Open = { readonly session: BackendSession; readonly key: string; readonly told: Promise<void> };

export type ServeParts = {
  readonly backends: ReadonlyMap<BackendId, Backend>;
  readonly checkouts: Checkouts;
  readonly log: Log;
  /** The plane's address for agents that run here, and what it is called by the plane itself. */
  readonly addresses: () => readonly (readonly [own: string, here: string])[];
};

/** What a node does for one control plane. */
export class NodeServer {
  readonly #parts: ServeParts;
  readonly #open = new Map<string, Open>();
  readonly #leaving = new AbortController();
  #sessions = 0;

  constructor(parts: ServeParts) {
    this.#parts = parts;
  }

  async serve<N extends CallName>(name: N, input: Input<N>, given: Given, peer: Peer): Promise<Served> {
    const calls: { [C in CallName]: (input: Input<C>) => Promise<Served> } = {
      probe: async ({ backend }) => ({ output: await this.#backend(backend).probe(given.signal) }),
      look: async ({ key }) => ({ output: await this.#parts.checkouts.look(key) }),
      pull: async ({ key, have }) => {
        const { bundle, ...output } = await this.#parts.checkouts.pack(key, have);
        return { output, blob: bundle };
      },
      push: async ({ key, pack, identity }) => {
        if (given.blob === null) throw new AppError('bad_request', 'a push without its bundle');
        await this.#parts.checkouts.push(key, { ...pack, bundle: given.blob }, identity);
        return { output: null };
      },
      synced: async ({ key, state }) => {
        await this.#parts.checkouts.synced(key, state);
        return { output: null };
      },
      open: (call) => this.#openSession(call, given.signal, peer),
      prompt: async ({ session, prompt, mode }) => ({ output: await this.#session(session).prompt(prompt, mode) }),
      interrupt: async ({ session }) => {
        await this.#session(session).interrupt();
        return { output: null };
      },
      answer: async ({ session, nativeId, decision }) => ({
        output: await this.#session(session).answer(nativeId, decision),
      }),
      transcript: async ({ session }) => ({ output: await this.#session(session).transcript() }),
      close: async ({ session, graceMs }) => {
        const open = this.#need(session);
        const output = await open.session.close(graceMs);
        await open.told;
        return { output };
      },
    };
    return await calls[name](input);
  }

  /** Ends every session: the plane is gone, or takes them for lost. Their checkouts stay as they are. */
  async closeAll(): Promise<void> {
    this.#leaving.abort();
    await Promise.all([...this.#open.values()].map(({ session }) => session.close(CLOSE_GRACE_MS)));
  }

  async #openSession({ backend, key, spec }: Input<'open'>, signal: AbortSignal, peer: Peer): Promise<Served> {
    const { checkouts, addresses } = this.#parts;
    const directory = checkouts.directoryOf(key);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const { project, ...rest } = rewrite(spec, addresses());
    const session = await this.#backend(backend).open({
      ...rest,
      project: { ...project, path: directory },
      directory,
      signal: AbortSignal.any([signal, this.#leaving.signal]),
    });
    if (this.#leaving.signal.aborted) {
      await session.close(CLOSE_GRACE_MS);
      throw new AppError('cancelled', 'the node leaves');
    }
    this.#sessions += 1;
    const id = `s${this.#sessions}`;
    const { nativeId, origin } = session;
    // The answer goes out first: the plane knows the session before it hears of it.
    const told = new Promise<void>((resolve) => setImmediate(() => resolve(this.#tellAll(id, { session, key }, peer))));
    this.#open.set(id, { session, key, told });
    return { output: { session: id, nativeId, origin } };
  }

  async #tellAll(id: string, { session, key }: Pick<Open, 'session' | 'key'>, peer: Peer): Promise<void> {
    try {
      for await (const event of session.events) {
        const isRest = event.type === 'turn-ended' || event.type === 'ended';
        const news = isRest ? await this.#news(key) : NO_NEWS;
        await peer.tell({ session: id, event, ...news });
      }
    } catch (error) {
      const why = toAppError(error);
      this.#parts.log.info({ err: why }, 'a session is told no further');
      await session.close(CLOSE_GRACE_MS);
      await this.#tellDeath(id, why, peer);
    } finally {
      this.#open.delete(id);
    }
  }

  /** As of one that said more than a message may hold. Where the connection is given up, nobody listens. */
  async #tellDeath(id: string, { message }: AppError, peer: Peer): Promise<void> {
    const failure = { class: 'protocol', message, resetAt: null } as const;
    const event = { type: 'ended', reason: { type: 'died', failure, exitCode: null, signal: null } } as const;
    await peer.tell({ session: id, event, ...NO_NEWS }).catch(() => undefined);
  }

  async #news(key: string): Promise<Pick<RemoteWord, 'pack' | 'blob' | 'fault'>> {
    try {
      const news = await this.#parts.checkouts.packNews(key);
      if (news === null) return NO_NEWS;
      const { bundle, ...pack } = news;
      return { pack, blob: bundle, fault: null };
    } catch (error) {
      return { ...NO_NEWS, fault: toAppError(error).message };
    }
  }

  #backend(id: BackendId): Backend {
    const backend = this.#parts.backends.get(id);
    if (backend) return backend;
    const known = [...this.#parts.backends.keys()].join(', ');
    throw new AppError('backend_unknown', `this node has no backend "${id}"; it has: ${known}`);
  }

  #session(id: string): BackendSession {
    return this.#need(id).session;
  }

  #need(id: string): Open {
    const open = this.#open.get(id);
    if (open) return open;
    throw new AppError('backend_failed', 'the session is over on its node');
  }
}
