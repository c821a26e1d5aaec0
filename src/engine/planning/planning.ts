import { newId } from '../../base/ids.ts';
import { handleOf } from '../../contract/delegation.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { FailureClass } from '../../contract/failure.ts';
import { type AgentAddress, type RequestId, SessionId } from '../../contract/ids.ts';
import type { Project } from '../../contract/project.ts';
import { type FallbackReason, isRequestOver, type Plan, type Request } from '../../contract/request.ts';
import type { Task, TaskState } from '../../contract/task.ts';
import { addUsage, hasTokens, NO_USAGE, type Usage } from '../../contract/usage.ts';
import type { Transaction } from '../../store/store.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { priced } from '../budget/prices.ts';
import { spendToday } from '../budget/spent-today.ts';
import type { Parts } from '../parts.ts';
import { onlyAgentOf, placementOf } from '../scheduling/roles.ts';
import { isTurnAtHand, type OneTurnSpec, prepareTurn, runTurn, type TurnStop } from '../sessions/one-turn.ts';
import type { TurnEnd } from '../sessions/session-turns.ts';
import { stopFor } from '../stops.ts';
import { written } from '../written.ts';
import { makePlan, type PlanAsk, PlanProblem, singleTaskPlan } from './planner.ts';
import { plannerInput } from './planner-input.ts';

/** Under which the session of a request's call of the planner is written down. */
const callKey = (id: RequestId, call: number): string => `planner:${id}:${call}`;

const REASON_OF: Partial<Readonly<Record<FailureClass, FallbackReason>>> = {
  auth: 'auth',
  quota: 'quota',
  rate: 'quota',
  network: 'unreachable',
  timeout: 'timeout',
};

/** Turns requests into plans, in the background; what an earlier daemon began goes on with the same prompt. */
export class Planning {
  readonly #parts: Parts;
  readonly #approvals: Approvals;
  readonly #onPlanned: () => void;
  readonly #running = new Map<RequestId, { readonly abort: AbortController; readonly finished: Promise<void> }>();

  constructor(parts: Parts, approvals: Approvals, onPlanned: () => void) {
    this.#parts = parts;
    this.#approvals = approvals;
    this.#onPlanned = onPlanned;
  }

  /** In an emergency stop nothing begins: a thaw starts it. */
  start(id: RequestId): void {
    const { read } = this.#parts.store;
    if (this.#running.has(id) || stopFor(read, read.requests.need(id).projectId) !== null) return;
    const abort = new AbortController();
    const finished = this.#plan(id, abort.signal)
      .catch((error: unknown) => this.#failed(id, error, abort.signal))
      .catch((error: unknown) => this.#parts.log.error({ err: error, request: id }, 'a plan was left'))
      .finally(() => {
        this.#running.delete(id);
        // What it was stopped for may have ended first.
        if (abort.signal.aborted && abort.signal.reason !== 'shutdown' && read.requests.need(id).state === 'planning')
          this.start(id);
        this.#onPlanned();
      });
    this.#running.set(id, { abort, finished });
  }

  /** The answer of a call that is on its way is dropped; nothing of the request is planned further. */
  async stop(id: RequestId, why: TurnStop): Promise<void> {
    const running = this.#running.get(id);
    running?.abort.abort(why);
    await running?.finished;
  }

  async close(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort('shutdown');
    await Promise.all(running.map((r) => r.finished));
  }

  async #plan(id: RequestId, signal: AbortSignal): Promise<void> {
    const { read } = this.#parts.store;
    const request = read.requests.need(id);
    const project = read.projects.need(request.projectId);
    const settings = this.#parts.settingsFor(project.path);
    const input = await plannerInput(this.#parts, project, { ...request.options, text: request.text }, id);
    const plan = request.options.isSingleTask
      ? singleTaskPlan(request.text, input.context)
      : await makePlan({
          ...input,
          ask: settings.planner.isOff ? null : this.#ask(request, project),
          signal,
        });
    if (signal.aborted) throw new AppError('cancelled', 'planning was stopped');
    const take = (tx: Transaction): void => {
      // What a call to a backend used was counted when its turn ended.
      if (this.sessionsOf(id).length === 0) {
        const spent = { projectId: project.id, role: 'planner', usage: plan.usage };
        spendToday(tx, this.#parts.clock.now(), spent);
      }
      this.#take(tx, id, { ...plan, usage: this.#usageOf(id, plan) });
    };
    await written(this.#parts, () => this.#parts.store.commit(take), signal);
  }

  /** The planner's own model if one is configured, else the model of the request's backend. */
  #ask(request: Request, project: Project): PlanAsk {
    const ask = this.#parts.askPlannerModel?.(project.path);
    if (!ask) return this.#askBackend(request, project);
    const { planner, prices } = this.#parts.settingsFor(project.path);
    return async (input) => {
      const { text, usage } = await ask(input);
      return { text, usage: priced(usage, planner.model ?? null, prices) };
    };
  }

  #askBackend(request: Request, project: Project): PlanAsk {
    const settings = this.#parts.settingsFor(project.path);
    let call = 0;
    return async ({ system, user, signal }) => {
      call += 1;
      const key = callKey(request.id, call);
      const spec: OneTurnSpec = {
        purpose: 'planner',
        backend: request.options.backend ?? settings.defaultBackend,
        model: request.options.model,
        directory: project.path,
        project: { id: project.id, path: project.path, isTrusted: project.isTrusted },
        title: `Plan of ${request.id}`,
        text: `${system}\n\n${user}`,
        resume: null,
        subject: { requestId: request.id, projectId: project.id },
      };
      const sessionId = this.#knownCall(key) ?? prepareTurn(this.#parts, spec, (tx, id) => tx.meta.set(key, id)).id;
      const { text, usage } = await this.#turn(sessionId, spec, { ms: settings.planner.timeout, signal });
      return { text, usage };
    };
  }

  /** The session of a call that an earlier daemon made, if its answer can still be had. */
  #knownCall(key: string): SessionId | null {
    const id = SessionId.safeParse(this.#parts.store.read.meta.get(key)).data;
    return id !== undefined && isTurnAtHand(this.#parts, id) ? id : null;
  }

  /** Sessions of the calls for a plan that is under way. */
  sessionsOf(id: RequestId): readonly SessionId[] {
    const sessions: SessionId[] = [];
    for (let call = 1; ; call += 1) {
      const found = SessionId.safeParse(this.#parts.store.read.meta.get(callKey(id, call))).data;
      if (found === undefined) return sessions;
      sessions.push(found);
    }
  }

  async #turn(id: SessionId, spec: OneTurnSpec, limit: { ms: number; signal: AbortSignal }): Promise<TurnEnd> {
    let turn: TurnEnd;
    try {
      turn = await runTurn(this.#parts, this.#approvals, id, spec, limit);
    } catch (error) {
      if (limit.signal.aborted && spec.subject.requestId) this.#cut(spec.subject.requestId);
      if (limit.signal.aborted) throw error;
      const { code, message } = toAppError(error);
      throw new PlanProblem(code === 'timeout' ? 'timeout' : 'backend', message);
    }
    if (turn.outcome !== 'done' && turn.outcome !== 'length') {
      const failure = turn.failure;
      throw new PlanProblem(
        (failure && REASON_OF[failure.class]) ?? 'backend',
        failure?.message ?? `the planner's turn was ${turn.outcome}`,
      );
    }
    return turn;
  }

  /** Of its calls to a backend, those included that were cut. */
  #usageOf(id: RequestId, plan: Plan | null): Usage {
    const { sessions } = this.#parts.store.read;
    const calls = this.sessionsOf(id).map((call) => sessions.need(call).usage);
    return calls.length === 0 ? (plan?.usage ?? NO_USAGE) : calls.reduce(addUsage, NO_USAGE);
  }

  /** What a call used that was cancelled with its request is known when it has ended. */
  #cut(id: RequestId): void {
    const { state, plan } = this.#parts.store.read.requests.need(id);
    if (!isRequestOver(state) || plan !== null) return;
    const usage = this.#usageOf(id, null);
    if (hasTokens(usage)) this.#parts.store.commit((tx) => tx.requests.update(id, { usage }, { actor: 'gantry' }));
  }

  #take(tx: Transaction, id: RequestId, plan: Plan): void {
    const request = tx.requests.need(id);
    if (request.state !== 'planning') return;
    const now = this.#parts.clock.now();
    const cause =
      plan.source === 'fallback' && plan.fallbackReason
        ? `planned without a model (${plan.fallbackReason})`
        : `${plan.tasks.length} ${plan.tasks.length === 1 ? 'task' : 'tasks'} planned`;
    const meta = { actor: 'gantry', cause };
    if (plan.tasks.length === 0) {
      const result = { summary: plan.reply ?? '', branch: null, commit: null, filesChanged: [] };
      tx.requests.move(
        id,
        'planning',
        'done',
        { plan, result, usage: plan.usage, endedAt: now, cause: 'answered without a task' },
        meta,
      );
      return;
    }
    const to = request.options.isPlanOnly ? 'planned' : 'running';
    tx.requests.move(id, 'planning', to, { plan, usage: plan.usage, cause: null }, meta);
    if (to === 'running') insertTasks(this.#parts, tx, request, plan);
  }

  async #failed(id: RequestId, error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { message } = toAppError(error);
    this.#parts.log.error({ err: error, request: id }, 'planning failed inside of Gantry');
    const end = (tx: Transaction): void => {
      const request = tx.requests.need(id);
      if (isRequestOver(request.state)) return;
      const failure = { class: 'internal', message, resetAt: null } as const;
      tx.requests.move(
        id,
        request.state,
        'failed',
        { failure, cause: message, endedAt: this.#parts.clock.now() },
        { actor: 'gantry', cause: message },
      );
    };
    await written(this.#parts, () => this.#parts.store.commit(end), signal);
  }
}

/** A request whose plan is known from the start, with its tasks. @returns the tasks in the order of the plan */
export function insertPlanned(
  parts: Parts,
  tx: Transaction,
  request: Request,
  plan: Plan,
  meta: { readonly actor: string; readonly cause: string },
): Task[] {
  tx.requests.insert(request, meta);
  tx.requests.move(request.id, 'planning', 'running', { plan, usage: plan.usage, cause: null }, meta);
  insertTasks(parts, tx, request, plan);
  return tx.tasks.list({ requestId: request.id }).toSorted((a, b) => a.position - b.position);
}

/** The plan's tasks as rows of the ledger; labels become ids. */
export function insertTasks(parts: Parts, tx: Transaction, request: Request, plan: Plan): void {
  const now = parts.clock.now();
  const project = tx.projects.need(request.projectId);
  const settings = parts.settingsFor(project.path);
  const ids = new Map(plan.tasks.map((t) => [t.id, newId('tsk', now)]));
  plan.tasks.forEach((planned, position) => {
    const id = ids.get(planned.id);
    if (!id) return;
    const role = planned.role ?? request.options.role ?? settings.defaultRole;
    const { backend, model, notice } = placementOf(settings, role, request.options);
    const state: TaskState = planned.dependsOn.length > 0 ? 'blocked' : 'ready';
    const row: Task = {
      id,
      requestId: request.id,
      projectId: request.projectId,
      label: planned.id,
      title: planned.title,
      description: planned.description,
      files: planned.files,
      successCriteria: planned.successCriteria,
      budget: planned.budget,
      dependsOn: planned.dependsOn.flatMap((label) => ids.get(label) ?? []),
      role,
      backend,
      model,
      source: planned.source,
      priority: request.delegation?.priority ?? 2,
      position,
      state,
      cause: state === 'blocked' ? `waits for ${planned.dependsOn.join(', ')}` : null,
      attemptId: null,
      attempts: 0,
      attemptsBase: 0,
      notBefore: null,
      agent: request.delegation ? addressOf(project, role, request) : null,
      target: onlyAgentOf(settings, project.name, role),
      failure: null,
      result: null,
      usage: NO_USAGE,
      createdAt: now,
      updatedAt: now,
      endedAt: null,
    };
    tx.tasks.insert(row, { actor: 'gantry', cause: 'planned' });
    if (notice) tx.record('notice', { level: 'info', text: notice }, { requestId: request.id, taskId: id }, 'gantry');
    if (row.agent !== null) insertAgent(tx, row, row.agent, now);
  });
}

/** A delegated task has an agent of its own: what its caller sends reaches it and no other task, before it begins and after. */
const addressOf = (project: Project, role: string, request: Request): AgentAddress =>
  `${project.name}/${role}/${handleOf(request.id)}`;

function insertAgent(tx: Transaction, { projectId, role, backend, model }: Task, id: AgentAddress, now: number): void {
  const name = id.slice(id.lastIndexOf('/') + 1);
  const none = { taskId: null, attemptId: null, sessionId: null, standing: null, lent: null };
  const times = { createdAt: now, updatedAt: now };
  tx.agents.insert(
    { id, projectId, role, name, backend, model, state: 'idle', ...none, ...times },
    { actor: 'gantry' },
  );
}
