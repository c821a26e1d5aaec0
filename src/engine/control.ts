import { isAttemptLive } from '../contract/attempt.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';
import type { AttemptId, RequestId, TaskId } from '../contract/ids.ts';
import { isRequestOver, type Request } from '../contract/request.ts';
import { isTaskActive, isTaskOver, type Task } from '../contract/task.ts';
import type { Transaction } from '../store/store.ts';
import { closeAlert } from './alerts.ts';
import { usageOfRequest } from './budget/spending.ts';
import type { Parts } from './parts.ts';
import type { Planning } from './planning/planning.ts';
import type { Dispatcher } from './scheduling/dispatch.ts';
import { subjectOf } from './subject.ts';

export type Controlled = { readonly id: RequestId | TaskId; readonly state: string; readonly cause: string | null };
type Target = { readonly request: Request; readonly task: Task | null };

/** What people do with requests and tasks. The ledger is changed first; then the running work is told. */
export class Control {
  readonly #parts: Parts;
  readonly #dispatcher: Dispatcher;
  readonly #planning: Planning;

  constructor(parts: Parts, dispatcher: Dispatcher, planning: Planning) {
    this.#parts = parts;
    this.#dispatcher = dispatcher;
    this.#planning = planning;
  }

  /** @throws AppError `conflict` if it is over already. */
  async cancel(id: RequestId | TaskId, reason: string | undefined, caller: Caller): Promise<Controlled> {
    const { request, task } = this.#target(id);
    const cause = reason ?? `cancelled by ${caller.actor}`;
    const state = task?.state ?? request.state;
    if (task ? isTaskOver(task.state) : isRequestOver(request.state))
      throw new AppError('conflict', `${id} is ${state} already`);
    const stopped = this.#parts.store.commit((tx) => {
      const tasks = task ? [task] : tx.tasks.list({ requestId: request.id });
      const attempts = tasks.flatMap((t) => this.#cancelTask(tx, t, cause, caller));
      if (!task)
        tx.requests.move(
          request.id,
          request.state,
          'cancelled',
          { cause, usage: usageOfRequest(tx, request), endedAt: this.#parts.clock.now() },
          { actor: caller.actor, cause },
        );
      return attempts;
    });
    if (!task) void this.#planning.stop(request.id, 'cancelled');
    await this.#dispatcher.stopRuns(stopped, { type: 'cancel', cause });
    this.#dispatcher.wake();
    return this.#answer(id);
  }

  #cancelTask(tx: Transaction, task: Task, cause: string, caller: Caller): AttemptId[] {
    if (isTaskOver(task.state)) return [];
    const now = this.#parts.clock.now();
    const meta = { actor: caller.actor, cause };
    tx.tasks.move(task.id, task.state, 'cancelled', { cause, endedAt: now, notBefore: null }, meta);
    closeAlert(tx, `task:${task.id}`, cause, { taskId: task.id, requestId: task.requestId });
    const attempt = task.attemptId ? tx.attempts.need(task.attemptId) : null;
    if (!attempt || !isAttemptLive(attempt.state)) return [];
    tx.attempts.move(
      attempt.id,
      attempt.state,
      'cancelled',
      { cause, endedAt: now },
      { ...meta, subject: subjectOf(task, attempt) },
    );
    return [attempt.id];
  }

  /** Nothing new starts; running turns are frozen where that can be, else interrupted; conversations and workspaces are kept. */
  async pause(id: RequestId | TaskId, reason: string | undefined, caller: Caller): Promise<Controlled> {
    const { request } = this.#wholeRequest(id, 'pause');
    if (request.state === 'paused') return this.#answer(request.id);
    if (request.state !== 'running' && request.state !== 'planning')
      throw new AppError('conflict', `${id} is ${request.state}: only a running request can be paused`);
    const cause = reason ?? `paused by ${caller.actor}`;
    this.#parts.store.commit((tx) =>
      tx.requests.move(request.id, request.state, 'paused', { cause }, { actor: caller.actor, cause }),
    );
    void this.#planning.stop(request.id, 'cancelled');
    const live = this.#parts.store.read.tasks
      .list({ requestId: request.id })
      .flatMap((t) => (isTaskActive(t.state) && t.attemptId ? [t.attemptId] : []));
    await this.#dispatcher.pauseRuns(live, cause);
    return this.#answer(request.id);
  }

  async resume(id: RequestId | TaskId, reason: string | undefined, caller: Caller): Promise<Controlled> {
    const { request } = this.#wholeRequest(id, 'resume');
    if (request.state !== 'paused') throw new AppError('conflict', `${id} is ${request.state}, not paused`);
    const cause = reason ?? `resumed by ${caller.actor}`;
    const to = request.plan === null ? 'planning' : 'running';
    this.#parts.store.commit((tx) => {
      // Time limits do not run while it is paused.
      const pausedMs = this.#parts.clock.now() - request.updatedAt;
      for (const attempt of tx.attempts.list({ requestId: request.id })) {
        if (!isAttemptLive(attempt.state)) continue;
        tx.attempts.update(attempt.id, { deadlineAt: attempt.deadlineAt + pausedMs }, { actor: 'gantry', cause });
      }
      for (const { id: asked, expiresAt } of tx.approvals.list({ requestId: request.id, state: 'pending' })) {
        tx.approvals.update(asked, { expiresAt: expiresAt + pausedMs }, { actor: 'gantry', cause });
      }
      return tx.requests.move(request.id, 'paused', to, { cause: null }, { actor: caller.actor, cause });
    });
    if (to === 'planning') this.#planning.start(request.id);
    else {
      await this.#dispatcher.thawRuns(request.id, cause);
      this.#dispatcher.bringBack(request.id);
    }
    this.#dispatcher.wake();
    return this.#answer(request.id);
  }

  /** Failed, cancelled and waiting tasks get another try, with those that they had taken along. */
  async retry(id: RequestId | TaskId, reason: string | undefined, caller: Caller): Promise<Controlled> {
    const { request, task } = this.#target(id);
    const tasks = this.#parts.store.read.tasks.list({ requestId: request.id });
    const wanted = task ? [task] : tasks;
    const revived = wanted.filter(
      (t) =>
        t.state === 'failed' || t.state === 'waiting' || t.state === 'cancelled' || (t.state === 'deferred' && task),
    );
    if (revived.length === 0)
      throw new AppError(
        'conflict',
        `${id} has nothing to try again: ${task ? `it is ${task.state}` : 'no task failed or was cancelled'}`,
      );
    const cause = reason ?? `tried again by ${caller.actor}`;
    this.#parts.store.commit((tx) => {
      const dependants = task
        ? tasks.filter((t) => t.id !== task.id && t.state === 'cancelled' && t.failure?.class === 'dependency')
        : [];
      for (const t of [...revived, ...dependants]) this.#revive(tx, t, cause, caller);
      if (isRequestOver(request.state)) {
        tx.requests.move(
          request.id,
          request.state,
          'running',
          { cause: null, failure: null, endedAt: null },
          { actor: caller.actor, cause },
        );
      }
    });
    this.#dispatcher.wake();
    return this.#answer(id);
  }

  #revive(tx: Transaction, task: Task, cause: string, caller: Caller): void {
    const to = task.dependsOn.length > 0 && task.state !== 'waiting' && task.state !== 'deferred' ? 'blocked' : 'ready';
    tx.tasks.move(
      task.id,
      task.state,
      to,
      { cause: null, endedAt: null, notBefore: null, attemptsBase: task.attempts },
      { actor: caller.actor, cause },
    );
    closeAlert(tx, `task:${task.id}`, cause, { taskId: task.id, requestId: task.requestId });
  }

  #target(id: RequestId | TaskId): Target {
    const { read } = this.#parts.store;
    if (id.startsWith('req_')) return { request: read.requests.need(id), task: null };
    const task = read.tasks.need(id);
    return { request: read.requests.need(task.requestId), task };
  }

  #wholeRequest(id: RequestId | TaskId, verb: string): Target {
    const target = this.#target(id);
    if (target.task)
      throw new AppError(
        'unsupported',
        `a task cannot be ${verb}d alone; ${verb} its request: gantry ${verb} ${target.request.id}`,
      );
    return target;
  }

  #answer(id: RequestId | TaskId): Controlled {
    const { request, task } = this.#target(id);
    return { id, state: task?.state ?? request.state, cause: task ? task.cause : request.cause };
  }
}
