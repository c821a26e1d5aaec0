import { Channel } from '../../base/channel.ts';
import { type Deferred, deferred, pause } from '../../base/wait.ts';
import type { Decision } from '../../contract/approval.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { PromptId } from '../../contract/ids.ts';
import type { MessageMode } from '../../contract/message.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import type { HostProcess } from '../../hosts/host.ts';
import type {
  BackendEvent,
  BackendSession,
  Capabilities,
  CloseReport,
  EndReason,
  Prompt,
  PromptReceipt,
} from '../backend.ts';
import type { Connection, EventFrame, Hello } from './connection.ts';
import type { AgentEvent, WireFailure } from './wire.ts';

type Waiting = { readonly prompt: Prompt; readonly mode: MessageMode; readonly receipt: Deferred<PromptReceipt> };

/** Events that wait for the reader; beyond the first bound deltas and heartbeats are left out, beyond the second it ends. */
const MAX_EVENTS = 20_000;
const MAX_SMALL_EVENTS = 10_000;
/** Duplicate and late frames that are told one by one. */
const MAX_NOTED = 20;
/** Between the end of the output and the program's own end; without it the program is ended. */
const EXIT_WAIT_MS = 1_000;
/** For what a dead agent has left running. */
const SWEEP_GRACE_MS = 2_000;

/** One live conversation with the fake agent. */
export class FakeSession implements BackendSession {
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly events = new Channel<BackendEvent>(MAX_EVENTS);
  readonly #process: HostProcess;
  readonly #connection: Connection;
  readonly #capabilities: Capabilities;
  readonly #onEnd: (survivors: readonly number[]) => void;
  readonly #asks = new Map<string, 'permission' | 'question'>();
  /** Prompts that the agent has taken and not yet ended, and the turns that they make. */
  readonly #running = new Set<PromptId>();
  readonly #turns = new Set<PromptId>();
  #line: Waiting[] = [];
  #isSending = false;
  #lastSeq = 0;
  #noted = 0;
  #fault: Failure | null = null;
  #closing: Promise<CloseReport> | null = null;

  constructor(options: {
    readonly hello: Hello;
    readonly process: HostProcess;
    readonly connection: Connection;
    readonly capabilities: Capabilities;
    readonly onEnd: (survivors: readonly number[]) => void;
  }) {
    this.nativeId = options.hello.nativeId;
    this.origin = options.hello.origin;
    this.#process = options.process;
    this.#connection = options.connection;
    this.#capabilities = options.capabilities;
    this.#onEnd = options.onEnd;
  }

  async prompt(prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> {
    if (mode === 'interrupt') this.#need('interrupt');
    const known = this.#line.find((waiting) => waiting.prompt.id === prompt.id);
    if (known) return await known.receipt.promise;
    const waiting = { prompt, mode, receipt: deferred<PromptReceipt>() };
    if (this.events.isEnded) waiting.receipt.resolve(refused(this.#endFailure()));
    else if ((mode === 'steer' && this.#capabilities.steer) || this.#running.has(prompt.id)) void this.#send(waiting);
    else if (mode === 'next-turn' || mode === 'steer') this.#line.push(waiting);
    else {
      this.#line.unshift(waiting);
      // If the interruption fails, the turn's own end is waited for.
      this.interrupt().catch((error: unknown) => this.#notice(toAppError(error).message));
    }
    this.#pump();
    return await waiting.receipt.promise;
  }

  async interrupt(): Promise<void> {
    this.#need('interrupt');
    if (this.#running.size > 0) await this.#connection.request({ type: 'interrupt' });
  }

  async answer(nativeId: string, decision: Decision): Promise<'taken' | 'gone'> {
    const kind = this.#asks.get(nativeId);
    if (kind === undefined) return 'gone';
    const isFit = decision.type === 'deny' || (decision.type === 'answer') === (kind === 'question');
    if (!isFit) throw new AppError('bad_request', `a ${kind} cannot be answered with "${decision.type}"`);
    this.#asks.delete(nativeId);
    try {
      const { result } = await this.#connection.request({ type: 'answer', nativeId, decision });
      return result === 'taken' ? 'taken' : 'gone';
    } catch (error) {
      // Its question has gone with the program.
      if (error instanceof AppError && error.code === 'backend_failed') return 'gone';
      throw error;
    }
  }

  async transcript(): Promise<readonly TranscriptItem[]> {
    this.#need('transcript');
    return (await this.#connection.request({ type: 'transcript' })).items;
  }

  close(graceMs: number): Promise<CloseReport> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<CloseReport> {
    this.#connection.send({ type: 'close' });
    const { code, signal, survivors } = await this.#process.stop({ graceMs, isStdinEndedFirst: true });
    this.#end({ type: 'closed' }, survivors);
    return { exitCode: code, signal, survivors };
  }

  readonly notice = (text: string): void => this.#notice(text);

  /** To be called when the program says no more. `fault`: its own words were the cause. */
  async outputEnded(fault: Failure | null): Promise<void> {
    const over = new AbortController();
    const exited = this.#process.exited.then((exit) => {
      over.abort();
      return exit;
    });
    const isGone = fault === null && (await pause(EXIT_WAIT_MS, over.signal)) === 'aborted';
    if (this.#closing !== null) return;
    const { survivors } = await this.#process.stop({ graceMs: SWEEP_GRACE_MS });
    const exit = await exited;
    const how = exit.code === null ? `signal ${exit.signal}` : `exit code ${exit.code}`;
    const words = (await this.#process.lastOutput()).trim().split('\n').at(-1) ?? '';
    const message = isGone
      ? `the agent program ended by itself with ${how}${words === '' ? '' : `: ${words}`}`
      : 'the agent program closed its output';
    const failure = this.#fault ?? fault ?? { class: isGone ? 'crash' : 'protocol', message, resetAt: null };
    this.#end({ type: 'died', failure, exitCode: exit.code, signal: exit.signal }, survivors);
  }

  readonly take = ({ seq, turn, event }: EventFrame): void => {
    if (seq <= this.#lastSeq) {
      this.#note(`a frame came twice: ${event.type}`);
      return;
    }
    this.#lastSeq = seq;
    if (event.type === 'turn-started') {
      this.#running.add(event.promptId);
      if (turn !== null) this.#turns.add(turn);
    }
    if (turn !== null && !this.#turns.has(turn)) {
      this.#note(`a frame came after its turn: ${event.type}`);
      return;
    }
    if (event.type === 'asked') this.#asks.set(event.nativeId, event.subject.type);
    if (event.type === 'withdrawn') this.#asks.delete(event.nativeId);
    this.#push(told(event));
    if (event.type !== 'turn-ended') return;
    this.#running.delete(event.promptId);
    if (this.#running.size === 0) this.#turns.clear();
    this.#pump();
  };

  /** Hands the next prompt over, if no turn runs. */
  #pump(): void {
    if (this.#isSending || this.#running.size > 0) return;
    const next = this.#line.shift();
    if (!next) return;
    this.#isSending = true;
    void this.#send(next).finally(() => {
      this.#isSending = false;
      this.#pump();
    });
  }

  async #send(waiting: Waiting): Promise<void> {
    const { id, text } = waiting.prompt;
    // Nothing else may be sent before its end, which may come as soon as the reply.
    const isNew = !this.#running.has(id);
    this.#running.add(id);
    const outcome = await this.#handOver(id, text, waiting.mode);
    if (outcome?.type === 'accepted') waiting.receipt.resolve(outcome);
    else {
      if (isNew) this.#running.delete(id);
      if (outcome) waiting.receipt.resolve(outcome);
      else this.#line.unshift(waiting);
    }
  }

  /** Null: the agent is busy. */
  async #handOver(promptId: PromptId, text: string, mode: MessageMode): Promise<PromptReceipt | null> {
    try {
      const { result, failure } = await this.#connection.request({ type: 'prompt', promptId, text, mode });
      if (result === 'busy') return null;
      return result === 'accepted' ? { type: 'accepted' } : refused(inWords(failure));
    } catch (error) {
      const { code, message } = toAppError(error);
      return refused({ class: code === 'timeout' ? 'timeout' : 'crash', message, resetAt: null });
    }
  }

  #push(event: BackendEvent): void {
    const isSmall = event.type === 'heartbeat' || event.type === 'text-delta' || event.type === 'reasoning-delta';
    if (isSmall && this.events.size >= MAX_SMALL_EVENTS) return;
    if (this.events.push(event) || this.events.isEnded || this.#fault) return;
    this.#fault = { class: 'internal', message: `${MAX_EVENTS} events were not read`, resetAt: null };
    void this.outputEnded(this.#fault);
  }

  #notice(text: string): void {
    this.#push({ type: 'notice', level: 'warning', text });
  }

  #note(text: string): void {
    this.#noted += 1;
    if (this.#noted <= MAX_NOTED) this.#notice(text);
  }

  #end(reason: EndReason, survivors: readonly number[]): void {
    if (this.events.isEnded) return;
    this.events.pushLast({ type: 'ended', reason });
    if (reason.type === 'died') this.#fault = reason.failure;
    this.#asks.clear();
    for (const { receipt } of this.#line) receipt.resolve(refused(this.#endFailure()));
    this.#line = [];
    this.#onEnd(survivors);
  }

  #endFailure(): Failure {
    return this.#fault ?? { class: 'crash', message: 'the session is closed', resetAt: null };
  }

  #need(capability: 'interrupt' | 'transcript'): void {
    if (!this.#capabilities[capability]) throw new AppError('unsupported', `this backend has no "${capability}"`);
  }
}

const refused = (failure: Failure): PromptReceipt => ({ type: 'refused', failure });

const inWords = (failure: WireFailure | null | undefined): Failure => ({
  class: failure?.class ?? 'model',
  message: failure?.message || 'the agent program failed without saying why',
  resetAt: failure?.resetAt ?? null,
});

/** A failure always has words, and a turn that has one did not succeed, whatever the program calls it. */
function told(event: AgentEvent): BackendEvent {
  if (event.type !== 'turn-ended') return event;
  const hasFailed = event.outcome === 'failed' || event.failure !== null;
  if (!hasFailed) return { ...event, failure: null };
  const outcome = event.outcome === 'done' ? 'failed' : event.outcome;
  return { ...event, outcome, failure: inWords(event.failure) };
}
