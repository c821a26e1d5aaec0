import { WebSocket } from 'ws';
import { newId } from '../base/ids.ts';
import { redact } from '../base/redact.ts';
import { within } from '../base/wait.ts';
import type { Approval, ApprovalSubject, Decision, ForeignQuestion, PolicyVerdict } from '../contract/approval.ts';
import { AppError } from '../contract/errors.ts';
import type { HumanInTheLoop, HumanInTheLoopStatus } from '../contract/event.ts';
import type { ApprovalId, TokenId } from '../contract/ids.ts';
import type { Transaction } from '../store/store.ts';
import { inParts } from './approval-answers.ts';
import type { Parts } from './parts.ts';
import { decide } from './policy.ts';

/** Answers on their way to the programs that asked; each waits whole, and only until its program has it. */
const CHANNEL = 'event.answer';
/** Five tries in about a minute. */
const RETRY_MS = [1_000, 5_000, 15_000, 35_000] as const;
const CONNECT_MS = 2_000;
/** How long an answer that nobody is to be sent waits to be asked for. */
const PULL_MS = 86_400_000;

type Waiting = { readonly approvalId: ApprovalId; readonly answer: Answer };
/** What the person said, in the words of the wire. */
export type Answer = {
  readonly response?: string;
  readonly permission?: boolean;
  /** Why not. */
  readonly reason?: string;
  readonly choice?: string;
};

/** What an event asks, as a question of the one inbox. */
export function foreignApproval(
  hitl: HumanInTheLoop,
  event: {
    readonly id: ApprovalId;
    readonly source: string;
    readonly session: string;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly tokenId: TokenId | null;
    readonly seq: number;
  },
  { now, limitMs }: { readonly now: number; readonly limitMs: number },
): Approval {
  const { id, source, session, payload, tokenId, seq } = event;
  return {
    id,
    subject: subjectOf(hitl, source, payload),
    sessionId: null,
    attemptId: null,
    taskId: null,
    requestId: null,
    agent: null,
    backend: 'foreign',
    project: source,
    nativeId: `event:${seq}`,
    isFromChild: false,
    state: 'pending',
    decision: null,
    decidedBy: null,
    cause: hitl.question,
    isDelivered: false,
    expiresAt: now + (hitl.timeout ? hitl.timeout * 1_000 : limitMs),
    createdAt: now,
    updatedAt: now,
    foreign: {
      eventId: seq,
      source,
      session,
      kind: hitl.type,
      address: hitl.responseWebSocketUrl || null,
      tokenId,
      delivery: null,
      respondedAt: null,
      reason: null,
    },
  };
}

function subjectOf(hitl: HumanInTheLoop, source: string, payload: Readonly<Record<string, unknown>>): ApprovalSubject {
  if (hitl.type === 'permission') {
    const command = commandOf(payload);
    const tool = [payload.tool_name, payload.permission_type].find((name) => typeof name === 'string') ?? 'permission';
    const call = { tool: String(tool).toLowerCase(), patterns: [command ?? hitl.question], command, diff: null };
    return inParts({ type: 'permission', call });
  }
  const options = hitl.type === 'choice' ? (hitl.choices ?? []).map((label) => ({ label, description: '' })) : [];
  const directory = hitl.directory === undefined ? {} : { directory: hitl.directory };
  const question = { question: hitl.question, header: source, options, isMultiple: false, ...directory };
  return { type: 'question', questions: [{ ...question, isFreeText: hitl.type === 'question' }] };
}

function commandOf({ tool_input: input }: Readonly<Record<string, unknown>>): string | null {
  const command = typeof input === 'object' && input !== null && 'command' in input ? input.command : null;
  return typeof command === 'string' ? command : null;
}

/** The policy's word on the command of an outside program; a question without a command is a person's. */
export function foreignVerdict({ subject }: Approval, { settingsFor, clock }: Pick<Parts, 'settingsFor' | 'clock'>) {
  if (subject.type !== 'permission' || subject.call.command === null) return null;
  const settings = settingsFor(null);
  const input = { call: subject.call, role: settings.defaultRole, isReadOnly: false, backend: 'foreign' };
  const verdict: PolicyVerdict = decide(input, settings.policy, [], clock.now());
  return verdict.action === 'ask' ? null : verdict;
}

/** How far an event's question has come, in the words of the wire. */
export function statusOf(
  approval: Approval & { readonly foreign?: ForeignQuestion | undefined },
): HumanInTheLoopStatus {
  const { state, foreign, decision, decidedBy, cause } = approval;
  if (state === 'pending' || !foreign) return { status: 'pending' };
  const reason = foreign.reason ?? cause ?? undefined;
  if (state === 'expired') return { status: 'timeout', ...(reason && { reason }) };
  const answer = decision && answerOf(foreign, decision);
  if (!answer) return { status: 'error', ...(reason && { reason }) };
  const respondedAt = foreign.respondedAt ?? approval.updatedAt;
  return {
    status: foreign.delivery === 'failed' ? 'error' : 'responded',
    respondedAt,
    response: { ...answer, respondedAt, respondedBy: decidedBy },
    ...(foreign.delivery && { delivery: foreign.delivery }),
    ...(foreign.delivery === 'failed' && reason && { reason }),
  };
}

/** What a decision says to the program that asked; null if it is no answer to what was asked. */
export function answerOf({ kind }: ForeignQuestion, decision: Decision): Answer | null {
  if (kind === 'permission') {
    return decision.type === 'deny' ? { permission: false, reason: decision.reason } : { permission: true };
  }
  if (decision.type !== 'answer') return null;
  const text = decision.answers[0]?.[0] ?? '';
  return kind === 'choice' ? { choice: text } : { response: text };
}

/**
 * The decision that an answer makes.
 * @throws AppError bad_request if it does not fit what was asked
 */
export function decisionOf({ kind }: ForeignQuestion, given: Readonly<Record<string, unknown>>): Decision {
  if (kind === 'permission') {
    if (typeof given.permission !== 'boolean') throw misfit('permission', 'true or false');
    return given.permission
      ? { type: 'allow', scope: 'once', expiresAt: null }
      : { type: 'deny', reason: 'a person refused it' };
  }
  const name = kind === 'choice' ? 'choice' : 'response';
  const text = given[name];
  if (typeof text !== 'string' || text.trim() === '' || text.length > 10_000) {
    throw misfit(name, kind === 'choice' ? 'one of the choices' : 'a text of 1 to 10,000 characters');
  }
  return { type: 'answer', answers: [[text]] };
}

const misfit = (name: string, accepted: string): AppError =>
  new AppError('bad_request', `${name}: expected ${accepted}`, {
    details: { issues: [{ path: name, message: accepted }] },
  });

/** Takes answers to the programs that asked with an event. What waits survives a restart. */
export class ForeignQuestions {
  readonly #parts: Pick<Parts, 'store' | 'clock' | 'log'>;
  /** The stored event as JSON, as the program gets it. */
  readonly #eventJson: (seq: number) => string | null;
  #cancel: (() => void) | null = null;
  #isBusy = false;
  #isStopped = false;

  constructor(parts: Pick<Parts, 'store' | 'clock' | 'log'>, eventJson: (seq: number) => string | null) {
    this.#parts = parts;
    this.#eventJson = eventJson;
  }

  newId(): ApprovalId {
    return newId('apr', this.#parts.clock.now());
  }

  /** In the transaction that decides: the answer waits whole beside the row, which keeps it masked. */
  decided(tx: Transaction, approval: Approval, decision: Decision): Decision {
    const { foreign } = approval;
    const answer = foreign && answerOf(foreign, decision);
    if (!foreign || !answer) return decision;
    const now = this.#parts.clock.now();
    const notBefore = foreign.address === null ? now + PULL_MS : now;
    tx.outbox.add({ channel: CHANNEL, key: approval.id, payload: { approvalId: approval.id, answer }, notBefore });
    return redact(decision);
  }

  /** Goes on with what waits. */
  wake(): void {
    if (this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    this.#deliver()
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'an answer could not be delivered'))
      .finally(() => {
        this.#isBusy = false;
        this.#arm();
      });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  /** The program comes for its answer: whole, once. Null if it waits no longer. */
  pull(approval: Approval): string | null {
    const { store } = this.#parts;
    const item = this.#items().find(({ payload }) => payload.approvalId === approval.id);
    const answer =
      item?.payload.answer ?? (approval.foreign && approval.decision && answerOf(approval.foreign, approval.decision));
    const json = answer && this.#response(approval, answer);
    if (!json) return null;
    store.commit((tx) => {
      if (item) tx.outbox.remove(item.id);
      if (!approval.isDelivered) this.#note(tx, approval.id, 'pulled', null);
    });
    return json;
  }

  #items() {
    return this.#parts.store.read.outbox.list(CHANNEL).map((item) => ({ ...item, payload: item.payload as Waiting }));
  }

  async #deliver(): Promise<void> {
    const { store } = this.#parts;
    for (const item of store.read.outbox.take(CHANNEL, 100)) {
      if (this.#isStopped) return;
      const { approvalId, answer } = item.payload as Waiting;
      const approval = store.read.approvals.get(approvalId);
      const json = approval && this.#response(approval, answer);
      const address = approval?.foreign?.address;
      if (!approval || !json || !address) {
        store.commit((tx) => tx.outbox.remove(item.id));
        continue;
      }
      const failure = await send(address, json);
      const wait = RETRY_MS[item.tries];
      store.commit((tx) => {
        if (failure !== null && wait !== undefined) {
          tx.outbox.retry(item, this.#parts.clock.now() + wait, failure);
          return;
        }
        tx.outbox.remove(item.id);
        this.#note(tx, approvalId, failure === null ? 'delivered' : 'failed', failure);
      });
    }
  }

  #note(tx: Transaction, id: ApprovalId, delivery: 'delivered' | 'pulled' | 'failed', reason: string | null): void {
    const { foreign } = tx.approvals.need(id);
    if (!foreign) return;
    const isDelivered = delivery !== 'failed';
    tx.approvals.update(id, { isDelivered, foreign: { ...foreign, delivery, reason } }, { actor: 'gantry' });
  }

  #response({ foreign, decidedBy, updatedAt }: Approval, answer: Answer): string | null {
    const event = foreign ? this.#eventJson(foreign.eventId) : null;
    if (!foreign || event === null) return null;
    const said = { ...answer, respondedAt: foreign.respondedAt ?? updatedAt, respondedBy: decidedBy };
    return `${JSON.stringify(said).slice(0, -1)},"hookEvent":${event}}`;
  }

  #arm(): void {
    if (this.#isStopped) return;
    const { store, clock } = this.#parts;
    const at = store.read.outbox.nextAt(CHANNEL);
    this.#cancel?.();
    this.#cancel = at === null ? null : clock.after(Math.max(10, at - clock.now()), () => this.wake());
  }
}

/** One text frame on a connection that was opened for it. Null if it was sent, else why not. No name is looked up. */
async function send(address: string, json: string): Promise<string | null> {
  const url = new URL(address);
  const hosts = url.hostname === 'localhost' ? ['127.0.0.1', '[::1]'] : [url.hostname];
  let failure = 'it was not tried';
  for (const host of hosts) {
    const refused = await sendTo(`ws://${host}:${url.port || 80}${url.pathname}${url.search}`, json);
    if (refused === null) return null;
    failure = refused;
  }
  return failure;
}

async function sendTo(address: string, json: string): Promise<string | null> {
  const options = { handshakeTimeout: CONNECT_MS, perMessageDeflate: false, maxPayload: 1_024, followRedirects: false };
  const ws = new WebSocket(address, options);
  const sent = new Promise<void>((resolve, reject) => {
    ws.once('error', reject);
    ws.once('close', () => reject(new AppError('internal', 'the connection was closed first')));
    ws.once('open', () => ws.send(json, (error) => (error ? reject(error) : resolve())));
  });
  try {
    await within(sent, 2 * CONNECT_MS, () => new AppError('timeout', 'the program did not take it in time'));
    ws.close();
    return null;
  } catch (error) {
    ws.terminate();
    return error instanceof Error ? error.message : String(error);
  } finally {
    ws.on('error', () => ws.terminate());
    setTimeout(() => ws.terminate(), CONNECT_MS).unref();
  }
}
