import { createHash } from 'node:crypto';
import { settled } from '../../base/wait.ts';
import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import { type DelegationStatus, handleOf, isDelegationOver, requestOf } from '../../contract/delegation.ts';
import { AppError } from '../../contract/errors.ts';
import type { Request } from '../../contract/request.ts';
import type { Git } from '../../git/git.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { TaskFiles } from '../attempts/task-files.ts';
import type { Control } from '../control.ts';
import type { Parts } from '../parts.ts';
import { insertTasks } from '../planning/planning.ts';
import type { Dispatcher } from '../scheduling/dispatch.ts';
import type { Probes } from '../scheduling/probes.ts';
import { isServed, mayServe, needDelegated, requireCaller } from './delegation-access.ts';
import { answerNoted, note } from './delegation-notes.ts';
import { prepareDelegation } from './delegation-prepare.ts';
import { delegatedLoad } from './delegation-queue.ts';
import { eventPage, eventsAfter, type Lookups, newestEvents, statusOf, viewOf } from './delegation-view.ts';
import { type Places, readPlaces } from './projections.ts';

/** How long an answer to a control waits for the end of what runs. */
const STOP_LIMIT_MS = 10_000;
/** Commits come in bursts: a waiter looks once per so long. */
const LOOK_EVERY_MS = 20;
const MAX_ARTIFACT = 10_000_000;
const PAGE = 200;

type Tools = {
  readonly git: Git;
  readonly probes: Probes;
  readonly approvals: Approvals;
  readonly control: Control;
  readonly dispatcher: Dispatcher;
};

/** Tasks that other programs hand over and follow from outside: each is a request of one task, whose caller is known. */
export class Delegations {
  readonly #parts: Parts;
  readonly #tools: Tools;
  readonly #files: TaskFiles;

  constructor(parts: Parts, tools: Tools) {
    this.#parts = parts;
    this.#tools = tools;
    this.#files = new TaskFiles(parts, tools.git);
  }

  load(): Omit<OutputOf<'delegations.load'>, 'status' | 'lettaUrl' | 'image'> {
    const { delegation, limits } = this.#parts.settingsFor(null);
    const { active, queued } = delegatedLoad(this.#parts.store.read);
    return {
      active,
      queued: queued.length,
      queueLimit: delegation.maxQueued,
      canAccept: active < limits.maxParallel || queued.length < delegation.maxQueued,
      defaultTimeoutMs: delegation.timeout,
      maxFileBytes: delegation.maxFileBytes,
      dependencies: this.#tools.probes.lastSeen(),
    };
  }

  /** @throws AppError `forbidden`, `idempotency_mismatch`, `queue_full`, and what a submission throws */
  async submit(input: ParsedInputOf<'delegations.submit'>, caller: Caller): Promise<OutputOf<'delegations.submit'>> {
    requireCaller(caller, input.callerId);
    const scope = `delegation ${caller.tokenId ?? caller.actor} ${input.callerId}`;
    const { key, notify, isSync, ...parameters } = input;
    const inputHash = createHash('sha256').update(JSON.stringify(parameters)).digest('hex');
    const known = key === undefined ? null : this.#known(scope, key, inputHash);
    if (known) return { isNew: false, view: this.#view(known) };
    if (!this.load().canAccept) throw this.#full();
    const row = await prepareDelegation(this.#parts, this.#tools, input, caller);
    const made = this.#parts.store.commit((tx) => {
      const before = key === undefined ? null : tx.idempotency.get(scope, key);
      if (before) return null;
      const load = delegatedLoad(tx);
      const { delegation, limits } = this.#parts.settingsFor(null);
      if (load.active + load.queued.length >= limits.maxParallel + delegation.maxQueued) throw this.#full();
      const request = tx.requests.insert(row, { actor: caller.actor, cause: `delegated by ${input.callerId}` });
      if (row.plan) insertTasks(this.#parts, tx, request, row.plan);
      if (key !== undefined) tx.idempotency.put(scope, key, { inputHash, output: row.id });
      return request;
    });
    // Somebody was first with the same key.
    if (made === null) return this.submit(input, caller);
    this.#tools.dispatcher.wake();
    return { isNew: true, view: this.#view(made) };
  }

  #full(): AppError {
    const { queued, queueLimit } = this.load();
    return new AppError('queue_full', 'Task queue full', { details: { queued, limit: queueLimit } });
  }

  #known(scope: string, key: string, inputHash: string): Request | null {
    const known = this.#parts.store.read.idempotency.get(scope, key);
    if (known === null) return null;
    const request = this.#parts.store.read.requests.need(known.output ?? '');
    if (known.inputHash === inputHash) return request;
    throw new AppError('idempotency_mismatch', 'Idempotency key was used with different parameters', {
      details: { task_id: handleOf(request.id) },
    });
  }

  list(input: ParsedInputOf<'delegations.list'>, caller: Caller): OutputOf<'delegations.list'> {
    const lookups = this.#lookups();
    const items: OutputOf<'delegations.list'>['items'] = [];
    for (const request of this.#newestFirst(input.cursor)) {
      if (!this.#isListed(request, input, caller)) continue;
      items.push(viewOf(this.#parts.store, request, lookups));
      if (items.length === input.limit) return { items, nextCursor: handleOf(request.id) };
    }
    return { items, nextCursor: null };
  }

  *#newestFirst(cursor: string | undefined): Generator<Request> {
    let after = cursor === undefined ? undefined : requestOf(cursor);
    for (;;) {
      const filter = { order: 'desc', limit: PAGE, ...(after !== undefined && { after }) } as const;
      const rows = this.#parts.store.read.requests.list(filter);
      yield* rows;
      after = rows.at(-1)?.id;
      if (rows.length < PAGE) return;
    }
  }

  #isListed(request: Request, input: ParsedInputOf<'delegations.list'>, caller: Caller): boolean {
    const id = request.delegation?.callerId;
    if (id === undefined || !mayServe(caller, id) || (input.callerId ?? id) !== id) return false;
    if (input.status === undefined) return true;
    const [task = null] = this.#parts.store.read.tasks.list({ requestId: request.id });
    return statusOf(request, task) === input.status;
  }

  /** Waits for something new after `since`, at most `waitMs`; the end is always told at once. */
  async get(input: ParsedInputOf<'delegations.get'>, caller: Caller): Promise<OutputOf<'delegations.get'>> {
    const { store, clock } = this.#parts;
    const { id } = needDelegated(this.#parts.store.read, input.id, caller);
    const end = clock.now() + input.waitMs;
    let since = input.since;
    // Only what is answered is looked at closely: of a queue, hundreds wait here and each commit wakes them all.
    for (;;) {
      const request = store.read.requests.need(id);
      if (since === undefined) {
        const next = store.journal.head();
        return { view: this.#view(request), events: newestEvents(store, id, input.limit), next };
      }
      const page = eventsAfter(store, id, since, input.limit);
      const [task = null] = store.read.tasks.list({ requestId: id });
      if (page.events.length > 0 || isDelegationOver(statusOf(request, task)) || clock.now() >= end) {
        return { view: this.#view(request), ...page };
      }
      since = page.next;
      await this.#nextCommit(end - clock.now());
    }
  }

  async #nextCommit(limitMs: number): Promise<void> {
    const { store, clock } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = store.onCommit(() => {
      forget();
      clock.after(LOOK_EVERY_MS, resolve);
    });
    const cancel = clock.after(limitMs, resolve);
    await promise;
    forget();
    cancel();
  }

  history(input: ParsedInputOf<'delegations.history'>, caller: Caller): OutputOf<'delegations.history'> {
    const { store } = this.#parts;
    const request = needDelegated(this.#parts.store.read, input.id, caller);
    const limit = input.limit === -1 ? Number.POSITIVE_INFINITY : input.limit;
    const { events, total } = eventPage(store, request.id, { offset: input.offset, limit });
    const view = this.#view(request);
    const artifacts: OutputOf<'delegations.history'>['artifacts'] = [];
    if (input.withArtifacts && isDelegationOver(view.status)) {
      const isDone = view.status === 'completed';
      const text = (isDone ? view.output : (view.error ?? view.output)) ?? '';
      const named = isDone
        ? ({ type: 'output', name: 'execution_output' } as const)
        : ({ type: 'error', name: 'execution_error' } as const);
      artifacts.push({ timestamp: view.endedAt ?? 0, ...named, content: text.slice(0, MAX_ARTIFACT) });
      if (!isDone && view.output !== null) {
        artifacts.push({ timestamp: view.endedAt ?? 0, type: 'output', name: 'partial_output', content: view.output });
      }
    }
    return { view, events, total, artifacts };
  }

  /** @throws AppError `illegal_move` once it is over */
  message(input: ParsedInputOf<'delegations.message'>, caller: Caller): OutputOf<'delegations.message'> {
    const request = needDelegated(this.#parts.store.read, input.id, caller);
    const { status } = this.#view(request);
    if (isDelegationOver(status)) {
      throw new AppError('illegal_move', `Cannot send message to task with status: ${status}`);
    }
    const answered =
      input.noteType === 'approval' ? answerNoted(this.#parts, this.#tools.approvals, request, input, caller) : null;
    if (answered) return answered;
    const sent = note(this.#parts, request, input, caller);
    this.#tools.dispatcher.wake();
    return sent;
  }

  /** @throws AppError `illegal_move` from a state that the control does not fit */
  async control(input: ParsedInputOf<'delegations.control'>, caller: Caller): Promise<OutputOf<'delegations.control'>> {
    const request = needDelegated(this.#parts.store.read, input.id, caller);
    const { status: previous, projections } = this.#view(request);
    const roomId = projections.matrix?.roomId ?? null;
    if (input.control === 'cancel' && previous === 'cancelled')
      return { previous, status: previous, isStopped: true, roomId };
    if (!LEGAL[input.control].includes(previous)) {
      throw new AppError('illegal_move', `Cannot ${input.control} task with status: ${previous}`);
    }
    const done = this.#tools.control[input.control](request.id, input.reason, caller);
    const stopped = await settled(
      done.then(() => true),
      STOP_LIMIT_MS,
    );
    return {
      previous,
      status: this.#view(this.#parts.store.read.requests.need(request.id)).status,
      isStopped: stopped ?? false,
      roomId,
    };
  }

  files(input: ParsedInputOf<'delegations.files'>, caller: Caller): Promise<OutputOf<'delegations.files'>> {
    return this.#files.list(needDelegated(this.#parts.store.read, input.id, caller, 'file'), input.path);
  }

  file(input: ParsedInputOf<'delegations.file'>, caller: Caller): Promise<OutputOf<'delegations.file'>> {
    return this.#files.read(needDelegated(this.#parts.store.read, input.id, caller, 'file'), input.path);
  }

  diff(input: ParsedInputOf<'delegations.diff'>, caller: Caller): Promise<OutputOf<'delegations.diff'>> {
    return this.#files.diff(needDelegated(this.#parts.store.read, input.id, caller), input.maxBytes);
  }

  approvals(input: ParsedInputOf<'delegations.approvals'>, caller: Caller): OutputOf<'delegations.approvals'> {
    const requestId = input.id === undefined ? undefined : needDelegated(this.#parts.store.read, input.id, caller).id;
    const { read } = this.#parts.store;
    const pending = read.approvals.list({
      state: 'pending',
      ...(requestId && { requestId }),
      order: 'desc',
      limit: 1_000,
    });
    return { items: pending.filter((approval) => isServed(this.#parts.store.read, approval.requestId, caller)) };
  }

  decide(input: ParsedInputOf<'delegations.decide'>, caller: Caller): OutputOf<'delegations.decide'> {
    const { approvalId: id, decision, message, answers } = input;
    const approval = this.#parts.store.read.approvals.get(id);
    if (!approval || !isServed(this.#parts.store.read, approval.requestId, caller)) {
      throw new AppError('not_found', `there is no approval ${id} of a delegated task`);
    }
    if (decision === 'deny') {
      return this.#tools.approvals.decide(id, { type: 'deny', reason: message ?? 'The caller denied this.' }, caller);
    }
    if (answers) return this.#tools.approvals.decide(id, { type: 'answer', answers }, caller);
    return this.#tools.approvals.decide(id, { type: 'allow', scope: decision, expiresAt: null }, caller);
  }

  #view(request: Request): OutputOf<'delegations.get'>['view'] {
    return viewOf(this.#parts.store, request, this.#lookups());
  }

  #lookups(): Lookups {
    let positions: ReadonlyMap<string, number> | null = null;
    let places: Places | null = null;
    return {
      positions: () => {
        positions ??= new Map(this.#tools.dispatcher.outlook().waiting.map(({ id, position }) => [id, position]));
        return positions;
      },
      places: () => {
        places ??= readPlaces(this.#parts.store.read);
        return places;
      },
    };
  }
}

const LEGAL: Readonly<Record<'cancel' | 'pause' | 'resume', readonly DelegationStatus[]>> = {
  cancel: ['queued', 'running', 'paused'],
  pause: ['running'],
  resume: ['paused'],
};
