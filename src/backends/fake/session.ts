import { type Deferred, deferred } from '../../base/wait.ts';
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
  Loan,
  Prompt,
  PromptReceipt,
} from '../backend.ts';
import { ProgramLife } from '../program-life.ts';
import type { Connection, EventFrame, Hello } from './connection.ts';
import type { AgentEvent, WireFailure } from './wire.ts';

type Waiting = { readonly prompt: Prompt; readonly mode: MessageMode; readonly receipt: Deferred<PromptReceipt> };

/** Duplicate and late frames that are told one by one. */
const MAX_NOTED = 20;
/** One live conversation with the fake agent. */
export class FakeSession implements BackendSession {
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly lend?: () => Promise<Loan>;
  readonly #life: ProgramLife;
  readonly #connection: Connection;
  readonly #capabilities: Capabilities;
  readonly #asks = new Map<string, 'permission' | 'question'>();
  /** Prompts that the agent has taken and not yet ended, and the turns that they make. */
  readonly #running = new Set<PromptId>();
  readonly #turns = new Set<PromptId>();
  #line: Waiting[] = [];
  #isSending = false;
  #lastSeq = 0;
  #noted = 0;

  constructor(options: {
    readonly hello: Hello;
    readonly process: HostProcess;
    readonly connection: Connection;
    readonly capabilities: Capabilities;
    readonly lend: (() => Promise<Loan>) | null;
    readonly onEnd: (survivors: readonly number[]) => void;
  }) {
    this.nativeId = options.hello.nativeId;
    this.origin = options.hello.origin;
    if (options.lend) this.lend = options.lend;
    this.#life = new ProgramLife(options.process, (survivors) => {
      this.#asks.clear();
      for (const { receipt } of this.#line) receipt.resolve(refused(this.#life.endFailure));
      this.#line = [];
      options.onEnd(survivors);
    });
    this.#connection = options.connection;
    this.#capabilities = options.capabilities;
  }

  get events(): AsyncIterable<BackendEvent> {
    return this.#life.events;
  }

  async prompt(prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> {
    if (mode === 'interrupt') this.#need('interrupt');
    const known = this.#line.find((waiting) => waiting.prompt.id === prompt.id);
    if (known) return await known.receipt.promise;
    const waiting = { prompt, mode, receipt: deferred<PromptReceipt>() };
    if (this.#life.isEnded) waiting.receipt.resolve(refused(this.#life.endFailure));
    else if ((mode === 'steer' && this.#capabilities.steer) || this.#running.has(prompt.id)) void this.#send(waiting);
    else if (mode === 'next-turn' || mode === 'steer') this.#line.push(waiting);
    else {
      this.#line.unshift(waiting);
      // If the interruption fails, the turn's own end is waited for.
      this.interrupt().catch((error: unknown) => this.notice(toAppError(error).message));
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
    this.#connection.send({ type: 'close' });
    return this.#life.close(graceMs);
  }

  readonly notice = (text: string): void => this.#life.notice(text);

  /** To be called when the program says no more. `fault`: its own words were the cause. */
  outputEnded(fault: Failure | null): Promise<void> {
    return this.#life.outputEnded(fault);
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
    this.#life.push(told(event));
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

  #note(text: string): void {
    this.#noted += 1;
    if (this.#noted <= MAX_NOTED) this.notice(text);
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
