import { setImmediate as nextTurn } from 'node:timers/promises';
import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import { type Caller, GANTRY } from '../../contract/caller.ts';
import { toAppError } from '../../contract/errors.ts';
import type { MergeId, RequestId, TaskId } from '../../contract/ids.ts';
import { isMergeOver, type Merge } from '../../contract/merge.ts';
import type { Request } from '../../contract/request.ts';
import type { Git } from '../../git/git.ts';
import type { Parts } from '../parts.ts';
import { settingsOrCause, settingsProblem } from '../settings.ts';
import { addMerge, mergeOf, retryMerge, reviewMerge, withdrawMerge } from './merge-intake.ts';
import { MergeLane, rejectMerge } from './merge-lane.ts';
import { type Line, linesOf, listMerges } from './merge-list.ts';
import { nextBatch, reviewEnd } from './merge-order.ts';
import { Panels, type PanelWork } from './merge-panel.ts';
import { repairOf } from './merge-repair.ts';

const CURSOR = 'merges.cursor';
/** After git or a remote failed: doubled with each try, so long at most. */
const BACK_OFF_MS = 2_000;
const MOST_BACK_OFF_MS = 60_000;

/**
 * Brings finished work to its target branch, in code: stacked without a checkout, gates run in a clean one, the target moved
 * by compare-and-set and looked at afterwards. The person's checkout is touched only where it has the target checked out.
 * Woken by commits of the store; idle it does nothing.
 */
export class MergeQueue {
  readonly #parts: Parts;
  readonly #git: Git;
  readonly #onRepair: (id: RequestId) => void;
  readonly #panels: Panels;
  readonly #stop = new AbortController();
  /** Targets that are being served: their gates hold nothing else up. */
  readonly #serving = new Map<string, Promise<void>>();
  /** Until when a lane is left alone. */
  readonly #backOff = new Map<string, number>();
  #isWoken = false;
  #pumping: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #forget = (): void => undefined;

  /** `onRepair`: a request was made that is to be planned. */
  constructor(parts: Parts, git: Git, onRepair: (id: RequestId) => void, panelWork: PanelWork) {
    this.#parts = parts;
    this.#git = git;
    this.#onRepair = onRepair;
    this.#panels = new Panels(parts, panelWork);
  }

  /** Settles what an earlier daemon was at, then takes up the work. */
  async start(): Promise<void> {
    const { store } = this.#parts;
    for (const merge of store.read.merges.list({ state: 'merging' })) {
      if (this.#problem(merge) === null) await this.#lane(merge).settle(merge);
    }
    this.#panels.load();
    this.#forget = store.onWork(() => this.wake());
    this.wake();
  }

  wake(): void {
    this.#isWoken = true;
    if (this.#stop.signal.aborted || this.#pumping !== null) return;
    this.#pumping = this.#pump().finally(() => {
      this.#pumping = null;
      if (this.#isWoken) this.wake();
    });
  }

  async close(): Promise<void> {
    this.#forget();
    this.#stop.abort();
    this.#cancelTimer?.();
    await this.#pumping;
    await Promise.all([...this.#serving.values(), this.#panels.close()]);
  }

  add = (input: ParsedInputOf<'merges.add'>, caller: Caller): Promise<Merge> =>
    addMerge(this.#parts, this.#git, input, caller);
  list = (input: ParsedInputOf<'merges.list'>): OutputOf<'merges.list'> => listMerges(this.#parts, input);
  review = (input: ParsedInputOf<'merges.review'>, caller: Caller): Merge => reviewMerge(this.#parts, input, caller);
  retry = (id: MergeId, caller: Caller): Promise<Merge> => retryMerge(this.#parts, this.#git, id, caller);
  withdraw = (id: MergeId, reason: string | undefined, caller: Caller): Merge =>
    withdrawMerge(this.#parts, id, reason, caller);
  /** The merge that is on its way with the work of a request, or of the only task of one. */
  openOf(id: RequestId | TaskId): Merge | null {
    const { read } = this.#parts.store;
    const requestId = read.tasks.get(id)?.requestId ?? read.requests.get(id)?.id;
    const isWhole = requestId === id || (requestId && read.tasks.count({ requestId }) === 1);
    const merge = requestId && isWhole ? mergeOf(read, requestId) : null;
    return merge && !isMergeOver(merge.state) ? merge : null;
  }

  async #pump(): Promise<void> {
    // Many commits in one turn of the event loop are one pass.
    await nextTurn();
    this.#isWoken = false;
    try {
      await this.#takeDone();
      this.#panels.hear();
      const due = [this.#judge()];
      this.#panels.release();
      await this.#takeRepairs();
      for (const line of linesOf(this.#parts)) due.push(this.#serve(line));
      this.#wakeAt(due);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#parts.log.error({ err: error }, 'a pass of the merge queue failed; the next starts from the ledger again');
      this.#wakeAt([this.#parts.clock.now() + MOST_BACK_OFF_MS]);
    }
  }

  /** Requests that are done since the last look, where they are to be merged without being asked. */
  async #takeDone(): Promise<void> {
    const { store } = this.#parts;
    const known = store.read.meta.get(CURSOR);
    const cursor = known === null ? store.journal.head() : Number(known);
    const { facts, next } = store.journal.since(cursor, { kinds: ['request.changed'] });
    for (const fact of facts) {
      if (fact.kind !== 'request.changed' || fact.data.to !== 'done') continue;
      if (fact.data.row.result?.commit) await this.#joinIfWanted(fact.data.row);
    }
    // Writing the position down is a commit that wakes this again: only what was found is worth it.
    if (known === null || facts.length > 0) store.commit((tx) => tx.meta.set(CURSOR, String(next)));
    if (next < store.journal.head()) this.#isWoken = true;
  }

  async #joinIfWanted({ id: requestId, projectId, options }: Request): Promise<void> {
    try {
      const { isAuto } = this.#parts.settingsFor(this.#parts.store.read.projects.need(projectId).path).merge;
      if (options.merge !== 'queue' && !(isAuto && options.merge === null)) return;
      await addMerge(this.#parts, this.#git, { requestId }, GANTRY);
    } catch (error) {
      const text = `${requestId} could not join the merge queue: ${toAppError(error).message}`;
      this.#parts.store.commit((tx) => tx.record('notice', { level: 'error', text }, { requestId }, GANTRY.actor));
    }
  }

  #problem({ projectId }: Pick<Merge, 'projectId'>): string | null {
    return settingsProblem(this.#parts.settingsFor, this.#parts.store.read.projects.need(projectId).path);
  }

  /** What the verdicts came to. @returns when the next one is due, or null */
  #judge(): number | null {
    const { store, clock } = this.#parts;
    const deadlines: number[] = [];
    for (const merge of store.read.merges.list({ state: 'reviewing' })) {
      const settings = settingsOrCause(this.#parts.settingsFor, store.read.projects.need(merge.projectId).path);
      if (typeof settings === 'string') {
        deadlines.push(clock.now() + MOST_BACK_OFF_MS);
        continue;
      }
      const end = reviewEnd(merge, settings.merge.approvals, clock.now());
      if (end.type === 'changes') rejectMerge(this.#parts, merge, end.cause, {});
      else if (end.type === 'waiting') deadlines.push(...(merge.reviewUntil === null ? [] : [merge.reviewUntil]));
      else {
        const meta = { actor: GANTRY.actor, cause: 'approved' };
        store.commit((tx) => tx.merges.move(merge.id, 'reviewing', 'queued', { cause: null, reviewUntil: null }, meta));
      }
    }
    return deadlines.length > 0 ? Math.min(...deadlines) : null;
  }

  async #takeRepairs(): Promise<void> {
    const { store } = this.#parts;
    for (const merge of store.read.merges.list({ state: 'conflict' })) {
      const repair = await repairOf(this.#parts, this.#git, store.read.projects.need(merge.projectId), merge);
      if (repair.type === 'failed') rejectMerge(this.#parts, merge, repair.cause, {});
      if (repair.type !== 'resolved') continue;
      const { head, authors } = repair;
      const patch = { head, authors, conflicts: [], repairId: null, retries: merge.retries + 1, cause: null };
      const meta = { actor: GANTRY.actor, cause: `the conflict was resolved by ${merge.repairId}` };
      store.commit((tx) => tx.merges.move(merge.id, 'conflict', 'queued', patch, meta));
    }
  }

  #lane({ projectId, target }: Pick<Merge, 'projectId' | 'target'>): MergeLane {
    const project = this.#parts.store.read.projects.need(projectId);
    const tools = { parts: this.#parts, git: this.#git, onRepair: this.#onRepair, signal: this.#stop.signal };
    return new MergeLane(tools, project, target);
  }

  /** Starts the next batch of a line, if it is time. @returns when the line is to be looked at again, or null */
  #serve({ key, merges }: Line): number | null {
    const { clock, store } = this.#parts;
    const [first] = merges;
    const heldUntil = this.#backOff.get(key) ?? 0;
    if (!first || this.#serving.has(key) || this.#stop.signal.aborted) return null;
    if (heldUntil > clock.now()) return heldUntil;
    const settings = settingsOrCause(this.#parts.settingsFor, store.read.projects.need(first.projectId).path);
    if (typeof settings === 'string') return clock.now() + MOST_BACK_OFF_MS;
    const { maxBatch, batchWait } = settings.merge;
    const atWork = store.read.tasks.list({ projectId: first.projectId, state: ['assigned', 'working', 'verifying'] });
    const rules = { max: maxBatch, waitMs: batchWait, isMoreComing: atWork.length > 0, now: clock.now() };
    const { batch, until } = nextBatch(merges, rules);
    if (batch.length === 0) return until;
    const served = this.#carryOut(key, this.#lane(first), batch).finally(() => {
      this.#serving.delete(key);
      this.wake();
    });
    this.#serving.set(key, served);
    return null;
  }

  async #carryOut(key: string, lane: MergeLane, batch: readonly Merge[]): Promise<void> {
    try {
      await lane.carryOut(batch);
      this.#backOff.delete(key);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const { tries, isOvertaken } = lane.putBack(batch, toAppError(error));
      const waitMs = isOvertaken ? 0 : Math.min(BACK_OFF_MS * 2 ** tries, MOST_BACK_OFF_MS);
      this.#backOff.set(key, this.#parts.clock.now() + waitMs);
    }
  }

  #wakeAt(times: readonly (number | null)[]): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const due = times.filter((time) => time !== null);
    if (due.length === 0 || this.#stop.signal.aborted) return;
    const { clock } = this.#parts;
    this.#cancelTimer = clock.after(Math.max(0, Math.min(...due) - clock.now()), () => this.wake());
  }
}
