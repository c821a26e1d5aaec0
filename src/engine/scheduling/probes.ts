import type { Probe } from '../../backends/backend.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { BackendId } from '../../contract/ids.ts';
import type { BackendStatus } from '../../contract/shapes.ts';
import type { Parts } from '../parts.ts';
import { written } from '../written.ts';
import { capabilitiesOf, forgetIfOther } from './capabilities.ts';

/** A found program rarely goes away; one that is missing is looked for again at once. */
const KEEP_MS = 60_000;
/** Above what drivers give their programs: theirs tells the cause. */
const LIMIT_MS = 90_000;

type Seen = { status: 'ok' | 'down' | 'unknown'; checked_at: number | null };

/** What the backends say of themselves, asked anew when it is old. */
export class Probes {
  readonly #parts: Parts;
  readonly #known = new Map<BackendId, { readonly at: number; readonly probe: Promise<Probe> }>();
  readonly #seen = new Map<BackendId, Seen>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws AppError `backend_unknown`, `backend_missing`, `backend_version`, with what to do */
  async needUsable(id: BackendId): Promise<void> {
    const probe = await this.probe(id);
    if (probe.problem === null) return;
    this.#known.delete(id);
    throw new AppError(probe.isInstalled ? 'backend_version' : 'backend_missing', `${id}: ${probe.problem}`);
  }

  probe(id: BackendId): Promise<Probe> {
    const backend = this.#parts.backends.get(id);
    if (!backend) {
      const known = [...this.#parts.backends.keys()].join(', ');
      const isNew = this.#parts.settingsFor(null).backends[id] !== undefined;
      const remedy = isNew ? ' (it is new in the configuration: gantry down, then gantry up)' : '';
      return Promise.reject(new AppError('backend_unknown', `no backend ${id}; accepted: ${known}${remedy}`));
    }
    const now = this.#parts.clock.now();
    const last = this.#known.get(id);
    if (last && now - last.at < KEEP_MS) return last.probe;
    const limit = AbortSignal.timeout(LIMIT_MS);
    const probe = backend.probe(limit).catch((error: unknown): Probe => {
      const problem = limit.aborted ? `no answer within ${LIMIT_MS / 1_000} s` : toAppError(error).message;
      return { isInstalled: true, version: null, executable: null, problem, notices: [] };
    });
    this.#known.set(id, { at: now, probe });
    probe
      .then(({ problem, version }) => {
        this.#seen.set(id, { status: problem === null ? 'ok' : 'down', checked_at: this.#parts.clock.now() });
        return written(this.#parts, () => version !== null && forgetIfOther(this.#parts, id, version));
      })
      .catch((error: unknown) => this.#parts.log.error({ err: error, backend: id }, 'a probe was not written down'));
    return probe;
  }

  /** What was seen last, without looking again. */
  lastSeen(): Record<string, Seen> {
    const unseen = [...this.#parts.backends.keys()].map((id) => [id, { status: 'unknown', checked_at: null }] as const);
    return { ...Object.fromEntries(unseen), ...Object.fromEntries(this.#seen) };
  }

  async all(): Promise<BackendStatus[]> {
    return Promise.all(
      [...this.#parts.backends.values()].map(async (backend) => {
        const { isInstalled, version, executable, problem, notices } = await this.probe(backend.id);
        return {
          id: backend.id,
          isInstalled,
          version,
          executable,
          problem,
          notices: [...notices],
          capabilities: { ...capabilitiesOf(this.#parts, backend.id) },
        };
      }),
    );
  }
}
