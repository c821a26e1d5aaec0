import type { Clock } from '../../base/clock.ts';
import type { Decision } from '../../contract/approval.ts';
import { toAppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { MessageMode } from '../../contract/message.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import type { HostProcess } from '../../hosts/host.ts';
import type {
  BackendEvent,
  BackendSession,
  CloseReport,
  Loan,
  PermissionProfile,
  Prompt,
  PromptReceipt,
} from '../backend.ts';
import { ProgramLife } from '../program-life.ts';
import { PromptLine } from '../prompt-line.ts';
import { Asks } from './asks.ts';
import type { Connection } from './connection.ts';
import type { NativeLine } from './decode.ts';
import type { Places } from './tools.ts';
import type { Transcript } from './transcript.ts';
import { Turns } from './turns.ts';
import { View } from './view.ts';

export type SessionOptions = {
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly process: HostProcess;
  readonly connection: Connection;
  readonly profile: PermissionProfile;
  readonly places: Places;
  readonly transcript: Transcript;
  readonly clock: Clock;
  readonly newUuid: () => string;
  /** Null where no person can have it. */
  readonly lend: (() => Promise<Loan>) | null;
  readonly onEnd: (survivors: readonly number[]) => void;
};

/** While a turn runs: often enough that a program which hangs is seen in good time. */
const HEARTBEAT_MS = 10_000;
/** For the program to confirm that it stopped a turn; killing a running command takes it a moment. */
const INTERRUPT_LIMIT_MS = 30_000;

/** One live conversation with a Claude Code of its own. */
export class ClaudeSession implements BackendSession {
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly lend?: () => Promise<Loan>;
  readonly #options: SessionOptions;
  readonly #life: ProgramLife;
  readonly #turns: Turns;
  readonly #line: PromptLine;
  readonly #asks: Asks;
  readonly #view: View;
  #cancelHeartbeat: () => void = () => undefined;
  #closing: Promise<CloseReport> | null = null;

  constructor(options: SessionOptions) {
    const { connection, profile, places, transcript } = options;
    this.nativeId = options.nativeId;
    this.origin = options.origin;
    this.#options = options;
    if (options.lend) this.lend = options.lend;
    this.#life = new ProgramLife(options.process, (survivors) => this.#ended(survivors));
    const emit = (event: BackendEvent): void => this.#life.push(event);
    this.#view = new View(emit, places, options.clock);
    this.#asks = new Asks({ connection, profile, places, emit, isNoted: (callId) => transcript.holds(callId) });
    this.#turns = new Turns({
      connection,
      emit,
      newUuid: options.newUuid,
      standing: options.origin.type === 'resumed' ? (uuid) => transcript.standing(uuid) : null,
      onSettle: () => {
        this.#view.end();
        this.#asks.sweep('the turn is over');
      },
      onOver: () => this.#line.pump(),
    });
    this.#line = new PromptLine({
      over: () => (this.#life.isEnded || this.#closing !== null ? this.#life.endFailure : null),
      isRunning: () => this.#turns.isRunning,
      has: (id) => this.#turns.has(id),
      send: (prompt) => this.#send(prompt),
      interrupt: () => this.interrupt(),
      notice: this.notice,
    });
  }

  get events(): AsyncIterable<BackendEvent> {
    return this.#life.events;
  }

  prompt(prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> {
    return this.#line.add(prompt, mode);
  }

  interrupt(): Promise<void> {
    return this.#interrupt(INTERRUPT_LIMIT_MS);
  }

  answer(nativeId: string, decision: Decision): Promise<'taken' | 'gone'> {
    return new Promise((resolve) => resolve(this.#asks.answer(nativeId, decision)));
  }

  transcript(): Promise<readonly TranscriptItem[]> {
    return this.#options.transcript.items();
  }

  close(graceMs: number): Promise<CloseReport> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  readonly notice = (text: string): void => this.#life.notice(text);

  readonly take = (line: NativeLine): void => {
    this.#asks.take(line);
    this.#view.take(line);
    this.#turns.take(line);
  };

  /** To be called when the program says no more. `fault`: its own words were the cause. */
  outputEnded(fault: Failure | null): Promise<void> {
    return this.#life.outputEnded(fault);
  }

  async #close(graceMs: number): Promise<CloseReport> {
    this.#line.refuse(this.#life.endFailure);
    // At the end of its input the program would finish its turn first. One that does not obey is ended all the same.
    if (this.#turns.isRunning && !this.#life.isEnded) {
      await this.#interrupt(graceMs).catch((error: unknown) => this.notice(toAppError(error).message));
    }
    this.#turns.abandon(this.#life.endFailure, true);
    return await this.#life.close(graceMs);
  }

  async #interrupt(limitMs: number): Promise<void> {
    if (this.#turns.isRunning) this.#view.interrupt();
    await this.#turns.interrupt(limitMs);
  }

  #send(prompt: Prompt): Promise<PromptReceipt> {
    const receipt = this.#turns.send(prompt);
    this.#beat();
    return receipt;
  }

  #beat(): void {
    this.#cancelHeartbeat();
    this.#cancelHeartbeat = this.#options.clock.after(HEARTBEAT_MS, () => void this.#heartbeat());
  }

  /** Asks for something that costs nothing, also while a tool runs: a program that does not answer gives no sign of life. */
  async #heartbeat(): Promise<void> {
    if (!this.#turns.isRunning || this.#life.isEnded) return;
    this.#beat();
    const answer = this.#options.connection.request({ subtype: 'get_binary_version' }, HEARTBEAT_MS);
    if ((await answer.catch(() => null)) !== null) this.#life.push({ type: 'heartbeat' });
  }

  #ended(survivors: readonly number[]): void {
    this.#cancelHeartbeat();
    this.#turns.abandon(this.#life.endFailure, false);
    this.#line.refuse(this.#life.endFailure);
    this.#options.onEnd(survivors);
  }
}
