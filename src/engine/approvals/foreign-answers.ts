import { WebSocket } from 'ws';
import { newId } from '../../base/ids.ts';
import { redact } from '../../base/redact.ts';
import { within } from '../../base/wait.ts';
import type { Approval, Decision } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { ApprovalId } from '../../contract/ids.ts';
import type { Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import { type Answer, answerOf } from './foreign-question.ts';

/** Answers on their way to the programs that asked; each waits whole, and only until its program has it. */
const CHANNEL = 'event.answer';
/** Five tries in about a minute. */
const RETRY_MS = [1_000, 5_000, 15_000, 35_000] as const;
const CONNECT_MS = 2_000;
/** How long an answer that nobody is to be sent waits to be asked for. */
const PULL_MS = 86_400_000;

type Waiting = { readonly approvalId: ApprovalId; readonly answer: Answer };

/** Takes answers to the programs that asked with an event. What waits survives a restart. */
export class ForeignAnswers {
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
