import type { Decision } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { BackendEvent } from '../backend.ts';
import type { Dialect, NativeAsk } from './dialect.ts';
import { again, HttpFailure } from './http.ts';

/** The open questions of a session tree. */
export class Asks {
  readonly #rootId: string;
  readonly #directory: string;
  readonly #dialect: Dialect;
  readonly #emit: (event: BackendEvent) => void;
  readonly #open = new Map<string, NativeAsk>();
  /** Seen and over: an old list or a late event does not bring them back. */
  readonly #over = new Set<string>();

  constructor(rootId: string, directory: string, dialect: Dialect, emit: (event: BackendEvent) => void) {
    this.#rootId = rootId;
    this.#directory = directory;
    this.#dialect = dialect;
    this.#emit = emit;
  }

  asked(ask: NativeAsk): void {
    if (this.#open.has(ask.id) || this.#over.has(ask.id)) return;
    this.#open.set(ask.id, ask);
    const childId = ask.sessionId === this.#rootId ? undefined : ask.sessionId;
    const isFromChild = childId !== undefined;
    this.#emit({ type: 'asked', nativeId: ask.id, subject: ask.subject, isFromChild, childId });
  }

  /** The program says that it is answered: by us, by another client, or by the refusal of another one of its session. */
  answered(askId: string): void {
    this.#withdraw(askId, 'answered in another place, or refused together with another question');
  }

  async answer(askId: string, decision: Decision): Promise<'taken' | 'gone'> {
    const ask = this.#open.get(askId);
    if (!ask) return 'gone';
    const { type } = ask.subject;
    if (decision.type !== 'deny' && (decision.type === 'answer') !== (type === 'question')) {
      throw new AppError('bad_request', `a ${type} cannot be answered with "${decision.type}"`);
    }
    this.#close(askId);
    try {
      let isSent = false;
      return await again(async () => {
        const result = await this.#send(askId, decision).catch((error: unknown) => {
          isSent ||= error instanceof HttpFailure && error.isLost;
          throw error;
        });
        // Its own answer to the lost try.
        return isSent ? 'taken' : result;
      });
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      this.#over.delete(askId);
      this.#open.set(askId, ask);
      throw new AppError('backend_failed', `OpenCode did not take the answer: ${error.message}`, { cause: error });
    }
  }

  /**
   * What is pending now, as the program lists it. `isReal` tells ghosts from those that still wait.
   * @returns false if the program cannot list it now
   */
  async reconcile(
    isOfTree: (sessionId: string) => boolean,
    isReal: (ask: NativeAsk) => Promise<boolean>,
  ): Promise<boolean> {
    const listed = await this.#dialect.asks(this.#directory);
    if (listed === null) return false;
    const ours = listed.filter((ask) => isOfTree(ask.sessionId));
    for (const ask of ours) if (await isReal(ask)) this.asked(ask);
    const ids = new Set(ours.map((ask) => ask.id));
    for (const id of [...this.#open.keys()]) if (!ids.has(id)) this.#withdraw(id, 'it was gone after a reconnect');
    return true;
  }

  /** Withdraws those of a session, or all: the program keeps them listed for ever after an abort, until they are refused. */
  async sweep(cause: string, sessionId?: string): Promise<void> {
    const left = [...this.#open.values()].filter((ask) => sessionId === undefined || ask.sessionId === sessionId);
    for (const { id } of left) this.#withdraw(id, cause);
    await Promise.all(
      left.map(({ id }) =>
        this.#dialect.deny(id, this.#directory, cause).catch((error: unknown) => {
          // A server that does not answer has no open question either; it is looked after elsewhere.
          if (!(error instanceof HttpFailure)) throw error;
        }),
      ),
    );
  }

  #send(askId: string, decision: Decision): Promise<'taken' | 'gone'> {
    switch (decision.type) {
      case 'allow':
        return this.#dialect.allow(askId, this.#directory);
      case 'deny':
        return this.#dialect.deny(askId, this.#directory, decision.reason);
      case 'answer':
        return this.#dialect.reply(askId, this.#directory, decision.answers);
      default:
        return decision satisfies never;
    }
  }

  #withdraw(askId: string, cause: string): void {
    if (!this.#open.has(askId)) return;
    this.#close(askId);
    this.#emit({ type: 'withdrawn', nativeId: askId, cause });
  }

  #close(askId: string): void {
    this.#open.delete(askId);
    this.#over.add(askId);
  }
}
