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
  #tail: Promise<void> = Promise.resolve();
  #turns = 0;
  #closing: Promise<CloseReport> | null = null;

  constructor({ session, nativeId, origin }: Output<'open'>, place: RemotePlace) {
    this.#id = session;
    this.nativeId = nativeId;
    this.origin = origin;
    this.#place = place;
  }

  /** What the node tells of it; taken one after another. */
  readonly hear = (word: RemoteWord): void => {
    this.#tail = this.#tail.then(() => this.#take(word));
  };

  /** Something worth knowing of it. */
  readonly notice = (text: string): void => {
    this.events.push({ type: 'notice', level: 'warning', text });
  };

  /** The node is gone: whatever it still says of this session is for nobody. */
  lost(why: string): void {
    const failure = { class: 'crash', message: why, resetAt: null } as const;
    this.#end({ type: 'died', failure, exitCode: null, signal: null });
  }

  readonly prompt = async (prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> => {
    const { peer, twin } = this.#place;
    if (this.events.isEnded) return REFUSED;
    if (this.#turns === 0) await twin.push(peer);
    const said = { ...prompt, text: rewrite(prompt.text, twin.there) };
    const receipt = await this.#orLost(peer.call('prompt', { session: this.#id, prompt: said, mode }), REFUSED);
    if (receipt.type === 'accepted') this.#turns += 1;
    return receipt;
  };

  readonly interrupt = async (): Promise<void> => {
    await this.#orLost(this.#place.peer.call('interrupt', { session: this.#id }), null);
  };

  readonly answer = (nativeId: string, decision: Decision): Promise<'taken' | 'gone'> =>
    this.#orLost(this.#place.peer.call('answer', { session: this.#id, nativeId, decision }), 'gone');

  /** What the node answers; `instead` if the session was lost meanwhile. */
  async #orLost<T>(call: Promise<{ readonly output: T }>, instead: T): Promise<T> {
    try {
      return (await call).output;
    } catch (error) {
      if (this.events.isEnded) return instead;
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
    if (this.events.isEnded) return nothing;
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
      this.#end({ type: 'closed' });
    }
  }

  async #take({ event, pack, blob, fault }: RemoteWord): Promise<void> {
    if (this.events.isEnded) return;
    const { twin, peer } = this.#place;
    const told = rewrite(event, twin.here);
    const problem = pack === null || blob === null ? fault : await twin.take(peer, { ...pack, bundle: blob });
    if (told.type === 'turn-ended') {
      this.#turns = Math.max(0, this.#turns - 1);
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
    this.lost(`${MAX_EVENTS} events were not read`);
  }

  #end(reason: EndReason): void {
    if (this.events.isEnded) return;
    this.events.pushLast({ type: 'ended', reason });
    this.#place.onEnd();
  }
}
