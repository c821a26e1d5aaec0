import { newId } from '../../base/ids.ts';
import type { Agent, Standing } from '../../contract/agent.ts';
import type { StoredPrompt } from '../../contract/attempt.ts';
import { AppError } from '../../contract/errors.ts';
import type { AgentAddress, BackendId, PromptId, SessionId } from '../../contract/ids.ts';
import type { Message } from '../../contract/message.ts';
import { addUsage, type Usage } from '../../contract/usage.ts';
import type { Transaction } from '../../store/store.ts';
import { spendToday } from '../budget/spent-today.ts';
import { carryMail, mailDelivered, mailSeen } from '../messages/mail.ts';
import type { Parts } from '../parts.ts';
import { freshSession, markTold } from '../sessions/session-row.ts';
import type { PromptLedger } from '../sessions/turns.ts';

/** What a standing agent's run may still change: the agent's row, as long as this session is the agent's. */
export class StandingLedger implements PromptLedger {
  readonly #parts: Parts;
  readonly agent: AgentAddress;
  #sessionId: SessionId;

  constructor(parts: Parts, agent: AgentAddress, sessionId: SessionId) {
    this.#parts = parts;
    this.agent = agent;
    this.#sessionId = sessionId;
  }

  get sessionId(): SessionId {
    return this.#sessionId;
  }

  /** @throws AppError `stale` if the agent was stopped, or stands by another session. */
  get standing(): Standing {
    return this.#held(this.#parts.store.read.agents.need(this.agent));
  }

  get talk(): { readonly agent: AgentAddress; readonly backend: BackendId; readonly prompts: readonly StoredPrompt[] } {
    const { backend } = this.#parts.store.read.sessions.need(this.sessionId);
    return { agent: this.agent, backend, prompts: this.standing.prompts };
  }

  readonly storePrompt: PromptLedger['storePrompt'] = (kind, text, mail) => {
    const native = { ...this.#parts.backends.get(this.talk.backend)?.promptIds() };
    const id = newId('prm', this.#parts.clock.now());
    const prompt: StoredPrompt = { id, kind, text, state: 'stored', native };
    this.#change((tx, { prompts }) => {
      carryMail(tx, mail, id);
      return { prompts: [...prompts, prompt] };
    });
    return prompt;
  };

  readonly promptAccepted = (prompt: StoredPrompt): void => {
    this.#change((tx, { prompts }) => {
      mailDelivered(tx, this.agent, prompt.id);
      markTold(tx, this.sessionId, tx.sessions.need(this.sessionId).nativeId);
      if (prompt.state === 'stored') {
        const subject = { agent: this.agent, sessionId: this.sessionId };
        tx.record('prompt.accepted', { promptId: prompt.id, kind: prompt.kind }, subject, 'gantry');
      }
      // The first prompt says who it is, and what went before.
      return { prompts: withState(prompts, prompt.id, 'accepted'), note: null };
    });
  };

  /** A turn is over: its tokens and money are counted once. `isHeard`: what it carried was answered. */
  turnEnded(promptId: PromptId, usage: Usage, isHeard: boolean): void {
    this.#change((tx, { prompts }) => {
      if (!prompts.some(({ id }) => id === promptId)) return {};
      if (isHeard) mailSeen(tx, this.agent, promptId);
      this.#spend(tx, usage);
      return { prompts: prompts.filter(({ id }) => id !== promptId) };
    });
  }

  /** A turn that was ended for good, whoever the agent's conversation is by now: what it used was spent. */
  turnCut(usage: Usage): void {
    this.#parts.store.commit((tx) => this.#spend(tx, usage));
  }

  #spend(tx: Transaction, usage: Usage): void {
    const session = tx.sessions.need(this.sessionId);
    tx.sessions.update(session.id, { usage: addUsage(session.usage, usage) }, { actor: 'gantry' });
    const { projectId, role } = tx.agents.need(this.agent);
    spendToday(tx, this.#parts.clock.now(), { projectId, role, usage });
  }

  /** A session that is over, because it never came to be, is followed by another. */
  renew(): void {
    const { backend, model, directory } = this.#parts.store.read.sessions.need(this.sessionId);
    const place = { backend, model, directory, nativeId: null, attemptId: null };
    const row = freshSession(this.#parts, { ...place, purpose: 'standing', agent: this.agent });
    const meta = { actor: 'gantry', cause: 'opens again' };
    this.#parts.store.commit((tx) => {
      const standing = this.#held(tx.agents.need(this.agent));
      tx.sessions.insert(row, meta);
      tx.agents.update(this.agent, { sessionId: row.id, standing: { ...standing, sessionId: row.id } }, meta);
    });
    this.#sessionId = row.id;
  }

  /** Its conversation is there: it is not copied again. */
  forked(): void {
    this.#change(() => ({ forkOf: null }));
  }

  /** What was given to a conversation that is lost is told anew: no prompt is on its way any more. */
  forgetPrompts(note: string): void {
    this.#change(() => ({ prompts: [], note }));
  }

  /** The messages that a prompt carried. */
  carried(promptId: PromptId): readonly Message[] {
    return this.#parts.store.read.messages.list({ to: this.agent, promptId });
  }

  #held(agent: Agent): Standing {
    if (agent.standing?.sessionId === this.sessionId) return agent.standing;
    throw new AppError('stale', `${this.sessionId} is no longer the session of ${this.agent}`);
  }

  #change(fn: (tx: Transaction, standing: Standing) => Partial<Standing>): void {
    this.#parts.store.commit((tx) => {
      const standing = this.#held(tx.agents.need(this.agent));
      const patch = fn(tx, standing);
      tx.agents.update(this.agent, { standing: { ...standing, ...patch } }, { actor: 'gantry' });
    });
  }
}

const withState = (prompts: readonly StoredPrompt[], id: PromptId, state: StoredPrompt['state']): StoredPrompt[] =>
  prompts.map((p) => (p.id === id ? { ...p, state } : p));
