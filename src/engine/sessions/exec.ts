import { deferred } from '../../base/wait.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { ProjectId, SessionId } from '../../contract/ids.ts';
import type { ExecResult } from '../../contract/shapes.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { noRoomWithoutTask } from '../budget/budget.ts';
import type { Parts } from '../parts.ts';
import { checkedDirectory } from '../projects.ts';
import { refuseStopped } from '../stops.ts';
import { written } from '../written.ts';
import { type OneTurnSpec, prepareTurn, runTurn, type TurnStop } from './one-turn.ts';
import type { TurnEnd } from './session-turns.ts';

type Running = {
  readonly projectId: ProjectId | null;
  readonly abort: AbortController;
  readonly finished: Promise<void>;
};

type End = { readonly content: string | null; readonly failure: Failure | null };

/** Single prompts outside of any plan. */
export class Execs {
  readonly #parts: Parts;
  readonly #approvals: Approvals;
  readonly #running = new Map<SessionId, Running>();

  constructor(parts: Parts, approvals: Approvals) {
    this.#parts = parts;
    this.#approvals = approvals;
  }

  /**
   * @throws AppError `conflict` in an emergency stop, `overloaded` if the budget of the project or the day is used up,
   * `bad_request` or `project_not_directory` for a place where nobody can work
   */
  start(input: ParsedInputOf<'exec.start'>): ExecResult {
    checkedDirectory(input.directory);
    const settings = this.#parts.settingsFor(input.directory);
    const project = this.#parts.store.read.projects
      .list({})
      .find((p) => p.path === input.directory && p.state === 'active');
    refuseStopped(this.#parts.store.read, project?.id ?? null);
    const cause = noRoomWithoutTask(this.#parts, { role: 'exec', projectId: project?.id ?? null });
    if (cause !== null) throw new AppError('overloaded', cause);
    const spec: OneTurnSpec = {
      purpose: 'exec',
      backend: input.backend ?? settings.defaultBackend,
      model: input.model ?? null,
      directory: input.directory,
      project: { id: project?.id ?? 'exec', path: input.directory, isTrusted: project?.isTrusted ?? false },
      title: input.prompt.split('\n', 1)[0]?.slice(0, 80) ?? 'exec',
      text: input.prompt,
      resume: input.resume ?? null,
      subject: { projectId: project?.id ?? null },
    };
    const row = prepareTurn(this.#parts, spec);
    const abort = new AbortController();
    const finished = runTurn(this.#parts, this.#approvals, row.id, spec, { ms: input.timeoutMs, signal: abort.signal })
      .then(endOf, (error: unknown) => (abort.signal.reason === 'shutdown' ? null : failed(error)))
      .then((end) => (end === null ? undefined : this.#end(row.id, end, abort.signal)))
      .catch((error: unknown) => this.#parts.log.error({ err: error, session: row.id }, 'the end of a prompt was left'))
      .finally(() => this.#running.delete(row.id));
    this.#running.set(row.id, { projectId: project?.id ?? null, abort, finished });
    return this.result(row.id);
  }

  /** @throws AppError `not_found` */
  async wait(id: SessionId, waitMs: number): Promise<ExecResult> {
    const running = this.#running.get(id);
    if (running && waitMs > 0) {
      const elapsed = deferred<void>();
      const cancel = this.#parts.clock.after(waitMs, () => elapsed.resolve());
      await Promise.race([running.finished, elapsed.promise]);
      cancel();
    }
    return this.result(id);
  }

  result(id: SessionId): ExecResult {
    const row = this.#parts.store.read.sessions.need(id);
    const stored = this.#parts.store.read.meta.get(`exec:${id}`);
    const end = stored ? (JSON.parse(stored) as End) : null;
    const state =
      end === null ? (this.#running.has(id) ? 'running' : 'failed') : end.failure === null ? 'done' : 'failed';
    const lost: Failure | null =
      end === null && state === 'failed'
        ? (row.failure ?? { class: 'crash', message: 'the daemon was restarted while it ran', resetAt: null })
        : null;
    return {
      sessionId: id,
      state,
      content: end?.content ?? null,
      nativeId: row.nativeId,
      failure: end?.failure ?? lost,
      usage: row.usage,
    };
  }

  /** Ends those of a project, or all; their answer is the cause. */
  async stop(project: ProjectId | null, cause: string): Promise<void> {
    await this.#abort(new AppError('cancelled', cause), (one) => project === null || one.projectId === project);
  }

  close(): Promise<void> {
    return this.#abort('shutdown', () => true);
  }

  async #abort(reason: AppError | TurnStop, isMeant: (running: Running) => boolean): Promise<void> {
    const running = [...this.#running.values()].filter(isMeant);
    for (const { abort } of running) abort.abort(reason);
    await Promise.all(running.map((r) => r.finished));
  }

  async #end(id: SessionId, end: End, signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    await written(this.#parts, () => store.commit((tx) => tx.meta.set(`exec:${id}`, JSON.stringify(end))), signal);
  }
}

function endOf({ outcome, text, failure }: TurnEnd): End {
  if (outcome === 'done' || outcome === 'length') return { content: text, failure: null };
  return { content: text, failure: failure ?? { class: 'denied', message: `the turn was ${outcome}`, resetAt: null } };
}

function failed(error: unknown): End {
  const { code, message } = toAppError(error);
  return { content: null, failure: { class: code === 'timeout' ? 'timeout' : 'crash', message, resetAt: null } };
}
