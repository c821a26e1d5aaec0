import { newId } from '../../base/ids.ts';
import { type Attempt, isAttemptLive, type StoredPrompt } from '../../contract/attempt.ts';
import { AppError } from '../../contract/errors.ts';
import type { FactSubject } from '../../contract/fact.ts';
import type { AttemptId, PromptId } from '../../contract/ids.ts';
import type { Message } from '../../contract/message.ts';
import { isRequestOver } from '../../contract/request.ts';
import { isTaskActive, type Task } from '../../contract/task.ts';
import { addUsage, type Usage } from '../../contract/usage.ts';
import type { Transaction } from '../../store/store.ts';
import { closeAlert } from '../alerts.ts';
import { usageOfRequest } from '../budget/spending.ts';
import { carryMail, mailDelivered, mailSeen } from '../messages/mail.ts';
import type { Parts } from '../parts.ts';
import { isTold, markTold } from '../sessions/session-row.ts';
import { subjectOf } from '../subject.ts';

/** What an attempt may still change: its own row and its task, as long as it holds the task. */
export class AttemptLedger {
  readonly #parts: Parts;
  readonly id: AttemptId;
  readonly #fence: number;

  constructor(parts: Parts, attempt: Attempt) {
    this.#parts = parts;
    this.id = attempt.id;
    this.#fence = attempt.fence;
  }

  get attempt(): Attempt {
    return this.#parts.store.read.attempts.need(this.id);
  }

  get talk(): Attempt {
    return this.attempt;
  }

  get task(): Task {
    return this.#parts.store.read.tasks.need(this.attempt.taskId);
  }

  get subject(): Partial<FactSubject> {
    return subjectOf(this.task, this.attempt);
  }

  /**
   * Every change that an attempt makes goes through here. A late word is recorded and changes nothing.
   * @throws AppError `stale` if another attempt holds the task, or this one is over.
   */
  change<T>(what: string, fn: (tx: Transaction, task: Task, attempt: Attempt) => T): T {
    const held = this.#parts.store.commit((tx) => {
      const attempt = tx.attempts.need(this.id);
      const task = tx.tasks.need(attempt.taskId);
      if (
        task.attemptId !== attempt.id ||
        attempt.fence !== this.#fence ||
        !isAttemptLive(attempt.state) ||
        !isTaskActive(task.state)
      ) {
        tx.record('late', { what, fence: this.#fence }, subjectOf(task, attempt), `agent:${attempt.agent}`);
        return null;
      }
      return { value: fn(tx, task, attempt) };
    });
    if (!held) throw new AppError('stale', `${this.id} no longer holds its task: ${what}`);
    return held.value;
  }

  /** Whether this conversation was given the task. */
  isTold(nativeId: string): boolean {
    const { sessionId } = this.attempt;
    return sessionId !== null && isTold(this.#parts.store.read, sessionId, nativeId);
  }

  /** Stores a prompt before it is sent, and that it carries `mail`. The task told anew takes the place of whatever was on its way. */
  storePrompt(kind: StoredPrompt['kind'], text: string, mail: readonly Message[] = []): StoredPrompt {
    const backend = this.#parts.backends.get(this.attempt.backend);
    const id = newId('prm', this.#parts.clock.now());
    const prompt: StoredPrompt = { id, kind, text, state: 'stored', native: { ...backend?.promptIds() } };
    this.change(`store prompt ${prompt.id}`, (tx, task, attempt) => {
      const before = kind === 'task' ? attempt.prompts.map(ended) : attempt.prompts;
      tx.attempts.update(
        attempt.id,
        { prompts: [...before, prompt] },
        { actor: 'gantry', subject: subjectOf(task, attempt) },
      );
      carryMail(tx, mail, prompt.id);
    });
    return prompt;
  }

  /** The agent program has taken the prompt: only now the task counts as being worked on. */
  promptAccepted(prompt: StoredPrompt): void {
    this.change(`prompt ${prompt.id} accepted`, (tx, task, attempt) => {
      const subject = subjectOf(task, attempt);
      const meta = { actor: 'gantry', subject };
      const prompts = withState(attempt, prompt.id, 'accepted');
      if (attempt.state === 'working') tx.attempts.update(attempt.id, { prompts }, meta);
      else tx.attempts.move(attempt.id, attempt.state, 'working', { prompts }, meta);
      if (task.state !== 'working') tx.tasks.move(task.id, task.state, 'working', { cause: null }, meta);
      mailDelivered(tx, attempt.agent, prompt.id);
      if (prompt.kind === 'task' && attempt.sessionId !== null) {
        markTold(tx, attempt.sessionId, tx.sessions.need(attempt.sessionId).nativeId);
      }
      closeAlert(tx, `crash:${task.id}`, 'the work goes on', subject);
      if (prompt.state === 'accepted') return;
      tx.record('prompt.accepted', { promptId: prompt.id, kind: prompt.kind }, subject, 'gantry');
    });
  }

  /** A turn is over: its tokens and money are counted, once. */
  turnEnded(promptId: PromptId, usage: Usage): void {
    this.change(`turn of ${promptId} ended`, (tx, _, attempt) => {
      if (count(tx, attempt, promptId, usage)) mailSeen(tx, attempt.agent, promptId);
    });
  }

  /** Turns that were cut: what they used was spent, whoever holds the task by now. */
  turnsCut(usedBy: (id: PromptId) => Usage | null): void {
    this.#parts.store.commit((tx) => {
      for (const { id, state } of tx.attempts.need(this.id).prompts) {
        const usage = state === 'accepted' ? usedBy(id) : null;
        if (usage !== null) count(tx, tx.attempts.need(this.id), id, usage);
      }
    });
  }

  /** A turn that was broken off on purpose is not taken up again: going on needs a new prompt. */
  forgetAccepted(): void {
    this.change('parked', (tx, task, attempt) => {
      const prompts = attempt.prompts.map((p) => (p.state === 'accepted' ? ended(p) : p));
      tx.attempts.update(attempt.id, { prompts }, { actor: 'gantry', subject: subjectOf(task, attempt) });
    });
  }

  /** The agent says done: a claim. */
  verifying(commit: string): void {
    this.change('verify', (tx, task, attempt) => {
      const meta = { actor: 'gantry', cause: 'the agent says that it is done', subject: subjectOf(task, attempt) };
      if (attempt.state !== 'verifying') tx.attempts.move(attempt.id, attempt.state, 'verifying', { commit }, meta);
      if (task.state !== 'verifying')
        tx.tasks.move(task.id, task.state, 'verifying', { cause: 'its success criteria are being checked' }, meta);
    });
  }
}

/** Adds what a prompt's turn used to the attempt and all that it belongs to. @returns false if it is counted already */
function count(tx: Transaction, attempt: Attempt, promptId: PromptId, usage: Usage): boolean {
  const task = tx.tasks.need(attempt.taskId);
  const meta = { actor: 'gantry', subject: subjectOf(task, attempt) };
  const isCounted = attempt.prompts.some((p) => p.id === promptId && p.state === 'ended');
  const total = isCounted ? attempt.usage : addUsage(attempt.usage, usage);
  tx.attempts.update(attempt.id, { prompts: withState(attempt, promptId, 'ended'), usage: total }, meta);
  if (isCounted) return false;
  tx.tasks.update(task.id, { usage: addUsage(task.usage, usage) }, meta);
  if (attempt.sessionId) {
    const session = tx.sessions.need(attempt.sessionId);
    tx.sessions.update(session.id, { usage: addUsage(session.usage, usage) }, meta);
  }
  const request = tx.requests.need(task.requestId);
  if (isRequestOver(request.state)) tx.requests.update(request.id, { usage: usageOfRequest(tx, request) }, meta);
  return true;
}

const ended = (prompt: StoredPrompt): StoredPrompt => ({ ...prompt, state: 'ended' });

const withState = (attempt: Attempt, id: PromptId, state: StoredPrompt['state']): StoredPrompt[] =>
  attempt.prompts.map((p) => (p.id === id ? { ...p, state } : p));
