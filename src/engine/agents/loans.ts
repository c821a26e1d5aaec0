import type { Loan, PersonView } from '../../backends/backend.ts';
import { type Deferred, deferred } from '../../base/wait.ts';
import type { Agent } from '../../contract/agent.ts';
import { type Attempt, isAttemptLive } from '../../contract/attempt.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { AgentAddress } from '../../contract/ids.ts';
import type { Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import type { Dispatcher } from '../scheduling/dispatch.ts';
import type { LiveSession } from '../sessions/session.ts';
import { written } from '../written.ts';
import { refuseLent } from './lent.ts';
import type { StandingAgents } from './standing.ts';

const GRACE_MS = 5_000;

/**
 * Conversations that a person has alone, as the agent program cannot share them. The mark is durable before Gantry lets go,
 * and taken off when nothing of the person's program runs any more: there are never two writers, whenever the daemon ends.
 * What is sent to the agent meanwhile waits.
 */
export class Loans {
  readonly #parts: Parts;
  readonly #dispatcher: Dispatcher;
  readonly #standing: StandingAgents;
  /** Of each agent that is marked; rejected if it could not be lent. */
  readonly #held = new Map<AgentAddress, Deferred<Loan>>();

  constructor(parts: Parts, dispatcher: Dispatcher, standing: StandingAgents) {
    this.#parts = parts;
    this.#dispatcher = dispatcher;
    this.#standing = standing;
  }

  /** How the person who has it, or another one, sees it; null if nobody has it. */
  async view(id: AgentAddress): Promise<PersonView | null> {
    return (await this.#held.get(id)?.promise)?.view ?? null;
  }

  /** @throws AppError of the backend: Gantry then has the conversation again */
  async lend({ id }: Agent, live: LiveSession, lend: () => Promise<Loan>, caller: Caller): Promise<PersonView> {
    const cause = `${caller.actor} has its conversation`;
    const held = deferred<Loan>();
    const attempt = this.#parts.store.commit((tx) => {
      const agent = tx.agents.need(id);
      refuseLent(agent);
      if (agent.sessionId !== live.id) throw new AppError('conflict', `${id} has another session by now`);
      const lent = { sessionId: live.id, to: caller.actor, at: this.#parts.clock.now() };
      tx.agents.update(id, { lent }, { actor: caller.actor, cause, subject: live.subject });
      return workOf(tx, agent);
    });
    this.#held.set(id, held);
    try {
      if (attempt) {
        this.#parts.store.commit((tx) => tx.tasks.update(attempt.taskId, { cause }, { actor: caller.actor, cause }));
        await this.#dispatcher.stopRuns([attempt.id], { type: 'park', cause });
      } else await this.#standing.end([id], { type: 'park', cause });
      const loan = await lend();
      this.#watch(id, held, loan);
      return loan.view;
    } catch (error) {
      held.reject(toAppError(error));
      this.#takeBack(id, `it could not be lent: ${toAppError(error).message}`);
      throw error;
    }
  }

  /** Ends it for an agent whose mark was taken off already. */
  async end(id: AgentAddress): Promise<void> {
    const loan = await this.#held.get(id)?.promise.catch(() => null);
    await loan?.end(GRACE_MS);
  }

  /** After any end of the daemon: who still has a conversation keeps it. @returns what was found, in words */
  async recover(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const { id, lent } of this.#parts.store.read.agents.list({})) {
      if (!lent) continue;
      const { backend, nativeId } = this.#parts.store.read.sessions.need(lent.sessionId);
      const loan = nativeId === null ? null : await this.#parts.backends.get(backend)?.lent?.(nativeId);
      if (loan) {
        const held = deferred<Loan>();
        this.#held.set(id, held);
        this.#watch(id, held, loan);
        lines.push(`${lent.to} still has the conversation of ${id}`);
      } else {
        this.#takeBack(id, 'the view was left while the daemon was down');
        lines.push(`the conversation of ${id} was taken back`);
      }
    }
    return lines;
  }

  #watch(id: AgentAddress, held: Deferred<Loan>, loan: Loan): void {
    held.resolve(loan);
    loan.over
      .then(() => written(this.#parts, () => this.#takeBack(id, 'the view was left')))
      .catch((error: unknown) => this.#parts.log.error({ err: error, agent: id }, 'a loan was not taken back'));
  }

  /** Takes the mark off; then the agent goes on with what waits for it. */
  #takeBack(id: AgentAddress, cause: string): void {
    const { store, clock } = this.#parts;
    this.#held.delete(id);
    const attempt = store.commit((tx) => {
      const agent = tx.agents.need(id);
      // Stopped meanwhile, which took it off.
      if (!agent.lent) return null;
      const meta = { actor: 'gantry', cause };
      tx.agents.update(id, { lent: null }, meta);
      const work = workOf(tx, agent);
      if (!work) return null;
      // Its time limit did not run.
      const deadlineAt = work.deadlineAt + clock.now() - agent.lent.at;
      tx.attempts.update(work.id, { deadlineAt }, meta);
      const told = `${agent.lent.to} spoke with you in between: look at what was said and done`;
      tx.tasks.update(work.taskId, { cause: told }, meta);
      return work;
    });
    if (attempt) this.#dispatcher.bringBack(attempt.requestId);
    this.#standing.bringBack();
    this.#dispatcher.wake();
  }
}

/** The attempt that it is at; null if it stands by. */
function workOf(tx: Transaction, { state, attemptId }: Agent): Attempt | null {
  const attempt = state === 'working' && attemptId !== null ? tx.attempts.need(attemptId) : null;
  return attempt && isAttemptLive(attempt.state) ? attempt : null;
}
