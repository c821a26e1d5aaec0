import type { AgentContext, SessionUpdate, StopReason } from '@agentclientprotocol/sdk';
import type { Client } from '../client/client.ts';
import type { Approval } from '../contract/approval.ts';
import { AppError } from '../contract/errors.ts';
import type { Fact } from '../contract/fact.ts';
import { isRequestOver, type Request, type RequestState } from '../contract/request.ts';
import type { Task } from '../contract/task.ts';
import { ANSWERS, type Answer, dialogOf, planEntries, questionText, resultText, say, updateOf } from './words.ts';

/** How long the daemon may be away while its work is watched: it may be restarted. */
const PATIENCE_MS = 60_000;

type Editor = {
  readonly sessionId: string;
  readonly client: AgentContext;
  /** The editor has gone. */
  readonly signal: AbortSignal;
};

/** Tells an editor of a request until it is over, and puts the questions of its agents to the person there. */
export async function follow(daemon: Client, editor: Editor, request: Request, since: number): Promise<StopReason> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, editor.signal]);
  const tasks = new Map<string, Task>();
  const asks = new Asks(daemon, editor);
  const tell = (update: SessionUpdate): Promise<void> =>
    editor.client.notify('session/update', { sessionId: editor.sessionId, update });
  let state: RequestState = request.state;
  try {
    for await (const fact of daemon.facts({ since, requestId: request.id, signal, giveUpMs: PATIENCE_MS })) {
      await tellOf(fact, tasks, asks, tell);
      if (fact.kind === 'request.changed') state = fact.data.row.state;
      if (isRequestOver(state) || state === 'planned') break;
    }
  } finally {
    over.abort();
    asks.withdraw();
  }
  if (editor.signal.aborted) return 'cancelled';
  await tell(say(resultText(await daemon.call('requests.get', { id: request.id }))));
  return state === 'cancelled' ? 'cancelled' : 'end_turn';
}

async function tellOf(
  fact: Fact,
  tasks: Map<string, Task>,
  asks: Asks,
  tell: (update: SessionUpdate) => Promise<void>,
): Promise<void> {
  if (fact.kind === 'task.changed') {
    const before = tasks.get(fact.data.row.id);
    tasks.set(fact.data.row.id, fact.data.row);
    if (before?.state === fact.data.row.state) return;
    const entries = planEntries(
      [...tasks.values()].sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true })),
    );
    return await tell({ sessionUpdate: 'plan', entries });
  }
  if (fact.kind === 'approval.changed') {
    const { row } = fact.data;
    if (row.state !== 'pending') asks.withdraw(row.id);
    else if (row.subject.type === 'question') await tell(say(questionText(row)));
    else asks.put(row);
    return;
  }
  const update = updateOf(fact);
  if (update) await tell(update);
}

/** Open dialogs of the editor. Who answers first, here or anywhere else, has answered. */
class Asks {
  readonly #daemon: Client;
  readonly #editor: Editor;
  readonly #open = new Map<string, AbortController>();

  constructor(daemon: Client, editor: Editor) {
    this.#daemon = daemon;
    this.#editor = editor;
  }

  put(approval: Approval): void {
    if (this.#open.has(approval.id)) return;
    const abort = new AbortController();
    this.#open.set(approval.id, abort);
    void this.#ask(approval, abort.signal);
  }

  /** One, or all: they are answered or gone. */
  withdraw(id?: Approval['id']): void {
    for (const [open, abort] of this.#open) if (id === undefined || open === id) abort.abort();
  }

  async #ask(approval: Approval, signal: AbortSignal): Promise<void> {
    const { client, sessionId } = this.#editor;
    const dialog = dialogOf(sessionId, approval);
    if (!dialog) return;
    try {
      const { outcome } = await client.request('session/request_permission', dialog, {
        cancellationSignal: signal,
        stopWaitingOnCancel: true,
      });
      if (outcome.outcome === 'selected') await this.#answer(approval.id, outcome.optionId);
    } catch (error) {
      // Withdrawn, answered elsewhere, or an editor without dialogs: it stays in the inbox as long as it is open there.
      if (error instanceof AppError && error.code !== 'already_answered') {
        await client.notify('session/update', {
          sessionId,
          update: say(`The answer was not taken: ${error.message}\n\n`),
        });
      }
    }
  }

  async #answer(id: Approval['id'], optionId: string): Promise<void> {
    const answer = (Object.keys(ANSWERS) as Answer[]).find((one) => one === optionId);
    if (answer === 'once' || answer === 'session') await this.#daemon.call('approvals.allow', { id, scope: answer });
    else if (answer === 'deny') await this.#daemon.call('approvals.deny', { id, reason: 'A person denied this.' });
  }
}
