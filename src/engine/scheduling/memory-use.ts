import type { BackendId } from '../../contract/ids.ts';
import type { Parts } from '../parts.ts';
import type { Capacity } from './scheduler.ts';

/** What one more session is expected to use until its backend was measured: bare OpenCode and Claude Code are below. Bytes. */
const USUAL_BYTES = 200 * 1024 * 1024;
/** How far back counts, in pieces of which each keeps its most. */
const PIECE_MS = 5 * 60_000;
const PIECES = 12;
const FIRST_LOOK_MS = 3_000;
const LOOK_MS = 30_000;

type Piece = { readonly at: number; readonly bytes: number };

/**
 * What the sessions of each backend really use: the resident memory of its process trees by the number of its sessions, the
 * most in the last hour. A server that sessions share is so expected to be needed once more by the next, which may be of
 * another project.
 */
export class MemoryUse {
  readonly #parts: Parts;
  readonly #pieces = new Map<BackendId, readonly Piece[]>();
  #cancel: (() => void) | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Null: nothing was measured in the last hour. */
  measured(backend: BackendId): number | null {
    const oldest = Math.floor(this.#parts.clock.now() / PIECE_MS) - PIECES;
    const lately = (this.#pieces.get(backend) ?? []).filter(({ at }) => at > oldest);
    return lately.length === 0 ? null : Math.max(...lately.map(({ bytes }) => bytes));
  }

  /** Until it is told that nothing runs any more, it looks again and again. */
  watch(isRunning: boolean): void {
    if (!isRunning) {
      this.#cancel?.();
      this.#cancel = null;
    } else if (this.#cancel === null) this.#lookIn(FIRST_LOOK_MS);
  }

  #lookIn(ms: number): void {
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.measure()
        .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'memory could not be measured'))
        .finally(() => {
          if (this.#cancel !== null) this.#lookIn(LOOK_MS);
        });
    });
  }

  async measure(): Promise<void> {
    const { store, host, backends, clock } = this.#parts;
    for (const backend of backends.keys()) {
      const sessions = store.read.sessions.count({ backend, state: 'running' });
      const trees = store.read.processes.list().filter(({ kind, identity }) => kind === backend && identity !== null);
      if (sessions === 0 || trees.length === 0) continue;
      const used = await Promise.all([...new Set(trees.map(({ marker }) => marker))].map((one) => host.usage(one)));
      const bytes = used.reduce((sum, usage) => sum + (usage?.rssBytes ?? 0), 0) / sessions;
      if (bytes > 0) this.#note(backend, { at: Math.floor(clock.now() / PIECE_MS), bytes });
    }
  }

  #note(backend: BackendId, { at, bytes }: Piece): void {
    const before = this.#pieces.get(backend) ?? [];
    const most = Math.max(bytes, before.find((one) => one.at === at)?.bytes ?? 0);
    const others = before.filter((one) => one.at !== at && one.at > at - PIECES);
    this.#pieces.set(backend, [...others, { at, bytes: most }]);
  }

  /** What is left for new sessions. What is on its way has not taken its memory yet. */
  now(): Capacity['memory'] {
    const { store, freeMemory, backends, settingsFor } = this.#parts;
    const { memoryReserve: reserve } = settingsFor(null).limits;
    const free = freeMemory();
    const expected = new Map([...backends.keys()].map((id) => [id, this.#expected(id)]));
    if (free === null || reserve === 0) return { left: Number.POSITIVE_INFINITY, expected, text: '' };
    const starting = store.read.sessions.list({ state: 'starting' });
    const pending = starting.reduce((sum, { backend }) => sum + (expected.get(backend)?.bytes ?? USUAL_BYTES), 0);
    const taken = pending === 0 ? '' : `${mb(pending)} of them for what is starting, `;
    const text = `memory: ${mb(free)} are free, ${taken}${mb(reserve)} are kept (limits.memoryReserve)`;
    return { left: free - pending - reserve, expected, text };
  }

  #expected(backend: BackendId): { readonly bytes: number; readonly text: string } {
    const measured = this.measured(backend);
    const bytes = measured ?? USUAL_BYTES;
    const how = measured === null ? 'none was measured yet' : 'the most that one had in the last hour';
    return { bytes, text: `one more session of ${backend} is expected to use ${mb(bytes)}: ${how}` };
  }
}

const mb = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MB`;
