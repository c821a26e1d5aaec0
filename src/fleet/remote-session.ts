import type {
  BackendEvent,
  BackendSession,
  CloseReport,
  EndReason,
  Prompt,
  PromptReceipt,
} from '../backends/backend.ts';
import { Channel } from '../base/channel.ts';
import { within } from '../base/wait.ts';
import type { Decision } from '../contract/approval.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { PromptId } from '../contract/ids.ts';
import type { MessageMode } from '../contract/message.ts';
import type { TranscriptItem } from '../contract/session.ts';
import type { Peer, RemoteWord } from './peer.ts';
import { rewrite } from './rewrite.ts';
import type { Twin } from './twin.ts';
import type { Output } from './wire.ts';

/** Events that wait for the reader; beyond it the session is given up. */
const MAX_EVENTS = 20_000;
/** Beyond the grace of a close: for the answer and what it brings along. */
const CLOSE_EXTRA_MS = 30_000;
const GIVE_UP_GRACE_MS = 5_000;

const REFUSED = {
  type: 'refused',
  failure: { class: 'crash', message: 'the session is closed', resetAt: null },
} as const;

export type RemotePlace = {
  readonly peer: Peer;
  readonly isConnected: () => boolean;
  readonly node: string;
  /** The checkout here and there. */
  readonly twin: Twin;
  readonly onEnd: () => void;
};

/** A session on a node, as if it were here: what it did to its checkout is in the local one before its turn is told as ended. */
export class RemoteSession implements BackendSession {
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly events = new Channel<BackendEvent>(MAX_EVENTS);
  readonly #id: string;
  readonly #place: RemotePlace;
  /** Prompts whose turn has not ended. */
  readonly #turns = new Set<PromptId>();
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isLost = false;
  #closing: Promise<CloseReport> | null = null;

  constructor({ session, nativeId, origin }: Output<'open'>, place: RemotePlace) {
    this.#id = session;
    this.nativeId = nativeId;
    this.origin = origin;
    this.#place = place;
  }

  /** What the node tells of it; taken one after another. */
  readonly hear = (word: RemoteWord): void => {
    if (this.#waiting >= MAX_EVENTS) this.#giveUp(`${MAX_EVENTS} events were not read`);
    if (this.#isLost) return;
    this.#waiting += 1;
    this.#tail = this.#tail
      .then(() => this.#take(word))
      .catch((error: unknown) => this.#giveUp(toAppError(error).message))
      .finally(() => {
        this.#waiting -= 1;
      });
  };

  /** Something worth knowing of it. */
  readonly notice = (text: string): void => {
    this.events.push({ type: 'notice', level: 'warning', text });
  };

  /** The node is gone: whatever it still says of this session is for nobody. What is being taken in is ended first. */
  lost(why: string): void {
    this.#isLost = true;
    const failure = { class: 'crash', message: why, resetAt: null } as const;
    void this.#tail.then(() => this.#end({ type: 'died', failure, exitCode: null, signal: null }));
  }

  /** The node is there, but the session cannot go on here. */
  #giveUp(why: string): void {
    if (this.#isLost || this.events.isEnded) return;
    this.#place.peer.call('close', { session: this.#id, graceMs: GIVE_UP_GRACE_MS }).catch(() => undefined);
    this.lost(why);
  }

  readonly prompt = async (prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> => {
    const { peer, twin } = this.#place;
    if (this.#isOver) return REFUSED;
    if (this.#turns.size === 0 && !(await this.#orLost(this.#pushTwin(), false))) return REFUSED;
    // Before it is sent: its end may be told in the same moment as its receipt.
    this.#turns.add(prompt.id);
    const said = { ...prompt, text: rewrite(prompt.text, twin.there) };
    const receipt = await this.#orLost(peer.call('prompt', { session: this.#id, prompt: said, mode }), REFUSED);
    if (receipt.type === 'refused') this.#turns.delete(prompt.id);
    return receipt;
  };

  async #pushTwin(): Promise<{ readonly output: true }> {
    await this.#place.twin.push(this.#place.peer);
    return { output: true };
  }

  readonly interrupt = async (): Promise<void> => {
    await this.#orLost(this.#place.peer.call('interrupt', { session: this.#id }), null);
  };

  readonly answer = (nativeId: string, decision: Decision): Promise<'taken' | 'gone'> =>
    this.#orLost(this.#place.peer.call('answer', { session: this.#id, nativeId, decision }), 'gone');

  get #isOver(): boolean {
    return this.#isLost || this.events.isEnded;
  }

  /** What the node answers; `instead` if the session was lost meanwhile. */
  async #orLost<T, I>(call: Promise<{ readonly output: T }>, instead: I): Promise<T | I> {
    try {
      return (await call).output;
    } catch (error) {
      if (this.#isOver) return instead;
      throw error;
    }
  }

  readonly transcript = async (): Promise<readonly TranscriptItem[]> => {
    const { peer, twin } = this.#place;
    return rewrite((await peer.call('transcript', { session: this.#id })).output, twin.here);
  };

  readonly close = (graceMs: number): Promise<CloseReport> => {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  };

  async #close(graceMs: number): Promise<CloseReport> {
    const nothing = { exitCode: null, signal: null, survivors: [] };
    if (this.#isOver) {
      await this.#tail;
      return nothing;
    }
    const asked = this.#place.peer.call('close', { session: this.#id, graceMs });
    try {
      // A node that is away is told when it comes back; nobody waits for that.
      if (!this.#place.isConnected()) {
        asked.catch(() => undefined);
        return nothing;
      }
      const late = (): Error => new AppError('timeout', `node ${this.#place.node} did not close the session in time`);
      const { output } = await within(asked, graceMs + CLOSE_EXTRA_MS, late);
      await this.#tail;
      return output;
    } catch (error) {
      this.notice(toAppError(error).message);
      return nothing;
    } finally {
      this.#isLost = true;
      await this.#tail;
      this.#end({ type: 'closed' });
    }
  }

  async #take({ event, pack, blob, fault }: RemoteWord): Promise<void> {
    if (this.#isOver) return;
    const { twin, peer } = this.#place;
    const told = rewrite(event, twin.here);
    const problem =
      pack === null || blob === null ? fault : await twin.take(peer, { ...pack, bundle: blob }, () => !this.#isLost);
    if (this.#isLost) return;
    if (told.type === 'turn-ended') {
      this.#turns.delete(told.promptId);
      if (problem === null) return this.#push(told);
      const message = `its work could not be brought here: ${problem}`;
      return this.#push({ ...told, outcome: 'failed', failure: { class: 'conflict', message, resetAt: null } });
    }
    if (problem !== null) this.notice(`its work could not be brought here: ${problem}`);
    if (told.type === 'ended') this.#end(told.reason);
    else this.#push(told);
  }

  #push(event: BackendEvent): void {
    if (this.events.push(event) || this.events.isEnded) return;
    this.#giveUp(`${MAX_EVENTS} events were not read`);
  }

  #end(reason: EndReason): void {
    if (this.events.isEnded) return;
    this.events.pushLast({ type: 'ended', reason });
    this.#place.onEnd();
  }
}
