import {
  type PromptResponse,
  RequestError,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk/unstable';
import { type Deferred, deferred, pause, within } from '../../base/wait.ts';
import type { Decision } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { MessageMode } from '../../contract/message.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import type { HostProcess } from '../../hosts/host.ts';
import type {
  BackendEvent,
  BackendSession,
  CloseReport,
  PermissionProfile,
  Prompt,
  PromptReceipt,
} from '../backend.ts';
import { ProgramLife } from '../program-life.ts';
import type { Connection } from './connection.ts';
import { cutText, hashOf, type Notes, type SessionNotes, standingOf, type TurnEnd } from './notes.ts';
import { usageOf, verdictOf, verdictOfError } from './outcome.ts';
import { askedCall } from './tools.ts';
import type { SessionView } from './view.ts';
import { ToolFields, type Update } from './wire.ts';

type Outcome = RequestPermissionResponse['outcome'];
type Waiting = { readonly prompt: Prompt; readonly receipt: Deferred<PromptReceipt> };
type Ask = { readonly options: RequestPermissionRequest['options']; readonly answer: Deferred<Outcome> };
type Turn = {
  readonly prompt: Prompt;
  readonly receipt: Promise<PromptReceipt>;
  readonly over: Deferred<void>;
  hasDenied: boolean;
};

/** The program reads its input in that time, or it hangs. */
const TAKE_LIMIT_MS = 30_000;
const CANCEL_LIMIT_MS = 30_000;
/** ACP has no ping: during a turn a method is asked for that no agent has, and its refusal is the sign of life. */
const ALIVE_EVERY_MS = 15_000;
const ALIVE_METHOD = '_gantry/alive';
const GO_ON =
  'The program was ended while you worked on the last message. Go on from where you were. What was done stays done: look before you do anything again.';

/** One live conversation with an agent that speaks ACP. */
export class AcpSession implements BackendSession {
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly #life: ProgramLife;
  readonly #connection: Connection;
  readonly #view: SessionView;
  readonly #profile: PermissionProfile;
  readonly #directory: string;
  readonly #notes: Notes;
  readonly #asks = new Map<string, Ask>();
  readonly #hasReplay: boolean;
  #known: SessionNotes;
  #instructions: string | null;
  #line: Waiting[] = [];
  #turn: Turn | null = null;
  #asked = 0;
  #hasToldUsage = true;

  constructor(options: {
    readonly nativeId: string;
    readonly origin: BackendSession['origin'];
    readonly process: HostProcess;
    readonly connection: Connection;
    readonly view: SessionView;
    readonly profile: PermissionProfile;
    readonly directory: string;
    /** Put before the first prompt: ACP has no place for them. */
    readonly instructions: string | null;
    readonly notes: Notes;
    readonly known: SessionNotes;
    readonly hasReplay: boolean;
    readonly onEnd: (survivors: readonly number[]) => void;
  }) {
    this.nativeId = options.nativeId;
    this.origin = options.origin;
    this.#connection = options.connection;
    this.#view = options.view;
    this.#profile = options.profile;
    this.#directory = options.directory;
    this.#instructions = options.instructions;
    this.#notes = options.notes;
    this.#known = options.known;
    this.#hasReplay = options.hasReplay;
    this.#life = new ProgramLife(options.process, (survivors) => {
      this.#withdraw('the session has ended');
      for (const { receipt } of this.#line) receipt.resolve(refused(this.#life.endFailure));
      this.#line = [];
      options.onEnd(survivors);
    });
  }

  get events(): AsyncIterable<BackendEvent> {
    return this.#life.events;
  }

  /** `steer` waits its turn like `next-turn`: ACP has no word for it. */
  async prompt(prompt: Prompt, mode: MessageMode): Promise<PromptReceipt> {
    if (this.#turn?.prompt.id === prompt.id) return await this.#turn.receipt;
    const known = this.#line.find((waiting) => waiting.prompt.id === prompt.id);
    if (known) return await known.receipt.promise;
    if (this.#life.isEnded) return refused(this.#life.endFailure);
    const waiting = { prompt, receipt: deferred<PromptReceipt>() };
    if (mode === 'interrupt') {
      this.#line.unshift(waiting);
      // If the interruption fails, the turn's own end is waited for.
      this.interrupt().catch((error: unknown) => this.notice(String(error)));
    } else this.#line.push(waiting);
    this.#pump();
    return await waiting.receipt.promise;
  }

  async interrupt(): Promise<void> {
    const turn = this.#turn;
    if (!turn) return;
    await this.#connection.agent.notify('session/cancel', { sessionId: this.nativeId });
    // The protocol wants every open question answered so.
    this.#withdraw('the turn was interrupted');
    await within(turn.over.promise, CANCEL_LIMIT_MS, () => {
      return new AppError('timeout', `the agent did not end its turn in ${CANCEL_LIMIT_MS} ms`);
    });
  }

  answer(nativeId: string, decision: Decision): Promise<'taken' | 'gone'> {
    const ask = this.#asks.get(nativeId);
    if (!ask) return Promise.resolve('gone');
    if (decision.type === 'answer') {
      return Promise.reject(new AppError('bad_request', 'a permission cannot be answered with "answer"'));
    }
    this.#asks.delete(nativeId);
    ask.answer.resolve(this.#choose(ask.options, decision.type));
    return Promise.resolve('taken');
  }

  transcript(): Promise<readonly TranscriptItem[]> {
    return Promise.resolve(this.#view.transcript);
  }

  close(graceMs: number): Promise<CloseReport> {
    return this.#life.close(graceMs);
  }

  readonly notice = (text: string): void => this.#life.notice(text);

  /** To be called when the program says no more. */
  outputEnded(fault: Failure | null): Promise<void> {
    return this.#life.outputEnded(fault);
  }

  update(update: Update): void {
    for (const event of this.#view.take(update)) this.#life.push(event);
  }

  /** A question of the agent: decided by the profile, or asked. */
  async permission(request: RequestPermissionRequest): Promise<Outcome> {
    const { state, events } = this.#view.asked(ToolFields.parse(request.toolCall));
    for (const event of events) this.#life.push(event);
    const { call, profileTool } = askedCall(state, this.#directory);
    const rule = this.#profile.tools[profileTool];
    if (this.#life.isEnded) return { outcome: 'cancelled' };
    if (rule !== 'ask') return this.#choose(request.options, rule);
    this.#asked += 1;
    const nativeId = `${state.callId}/${this.#asked}`;
    const ask = { options: request.options, answer: deferred<Outcome>() };
    this.#asks.set(nativeId, ask);
    this.#life.push({ type: 'asked', nativeId, subject: { type: 'permission', call }, isFromChild: false });
    return await ask.answer.promise;
  }

  /** For this once, never for always: who may do what is remembered by Gantry alone. */
  #choose(options: RequestPermissionRequest['options'], decision: 'allow' | 'deny'): Outcome {
    if (decision === 'deny' && this.#turn) this.#turn.hasDenied = true;
    const kind = decision === 'allow' ? 'allow_once' : 'reject_once';
    const option = options.find((one) => one.kind === kind);
    if (option) return { outcome: 'selected', optionId: option.optionId };
    if (decision === 'allow') this.notice('the agent offers no permission for one call: it was refused');
    return { outcome: 'cancelled' };
  }

  #withdraw(cause: string): void {
    for (const [nativeId, { answer }] of this.#asks) {
      answer.resolve({ outcome: 'cancelled' });
      this.#life.push({ type: 'withdrawn', nativeId, cause });
    }
    this.#asks.clear();
  }

  #pump(): void {
    if (this.#turn || this.#life.isEnded) return;
    const next = this.#line.shift();
    if (!next) return;
    const { prompt, receipt } = next;
    const turn: Turn = { prompt, receipt: receipt.promise, over: deferred<void>(), hasDenied: false };
    this.#turn = turn;
    this.#play(turn, receipt)
      .catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        const failure: Failure = { class: 'internal', message, resetAt: null };
        receipt.resolve(refused(failure));
        return this.#life.outputEnded(failure);
      })
      .finally(() => {
        this.#turn = null;
        turn.over.resolve();
        this.#pump();
      });
  }

  async #play(turn: Turn, receipt: Deferred<PromptReceipt>): Promise<void> {
    const { prompt } = turn;
    const standing = standingOf(this.#known, prompt.id, this.#hasReplay ? this.#view.userTexts : null);
    if (standing.type === 'over') {
      receipt.resolve({ type: 'accepted' });
      this.#life.push({ type: 'turn-started', promptId: prompt.id });
      this.#life.push({ type: 'turn-ended', promptId: prompt.id, ...standing.end });
      return;
    }
    const text = standing.type === 'cut' ? GO_ON : this.#words(prompt);
    // Before it is sent: after a crash nobody could tell whether it was.
    await this.#note(prompt, text, null);
    this.#view.beginTurn();
    this.#view.userSaid(prompt.id, text);
    const { taken, answer } = this.#connection.prompt(this.nativeId, text);
    // Its words may come as soon as the program has it.
    this.#life.push({ type: 'turn-started', promptId: prompt.id });
    const isTaken = await within(taken, TAKE_LIMIT_MS, () => {
      return new AppError('timeout', `the agent program did not read its input for ${TAKE_LIMIT_MS} ms`);
    });
    receipt.resolve(isTaken ? { type: 'accepted' } : refused(this.#life.endFailure));
    if (!isTaken && this.#life.isEnded) return;
    const end = await this.#end(turn, answer);
    if (!end) return;
    await this.#note(prompt, text, { ...end, text: cutText(end.text) });
    this.#life.push({ type: 'turn-ended', promptId: prompt.id, ...end });
  }

  /** Null: the program ended before its turn did. */
  async #end(turn: Turn, answer: Promise<PromptResponse>): Promise<TurnEnd | null> {
    const over = new AbortController();
    void this.#keepAlive(over.signal);
    const base = this.#known.costUsd;
    let response: PromptResponse | null = null;
    let failed: RequestError | null = null;
    try {
      response = await answer;
    } catch (error) {
      // The end of the connection is the end of the session, which is told by whoever reads it.
      if (!(error instanceof RequestError)) return null;
      failed = error;
    } finally {
      over.abort();
    }
    this.#withdraw('the turn has ended');
    const { events, text } = this.#view.endTurn();
    for (const event of events) this.#life.push(event);
    const verdict = failed ? verdictOfError(failed) : verdictOf(response?.stopReason ?? 'end_turn');
    // A refusal that the agent said nothing after has stopped it.
    const isStopped = verdict.outcome === 'done' && turn.hasDenied && text === '';
    if (response && !response.usage && this.#hasToldUsage)
      this.notice('the agent does not tell how many tokens it uses');
    this.#hasToldUsage = !response || Boolean(response.usage);
    const { costUsd } = this.#view;
    const cost = costUsd === null || base === null || costUsd < base ? null : rest(costUsd, base);
    this.#known = { ...this.#known, costUsd };
    return { ...verdict, ...(isStopped && { outcome: 'rejected' }), text, usage: usageOf(response?.usage, cost) };
  }

  #words({ text }: Prompt): string {
    const instructions = this.#instructions;
    this.#instructions = null;
    return instructions === null ? text : `${instructions}\n\n${text}`;
  }

  async #note({ id }: Prompt, text: string, end: TurnEnd | null): Promise<void> {
    const { prompts } = this.#known;
    const hash = prompts.find((given) => given.id === id)?.hash ?? hashOf(text);
    this.#known = { ...this.#known, prompts: [...prompts.filter((given) => given.id !== id), { id, hash, end }] };
    await this.#notes.write(this.#known);
  }

  async #keepAlive(over: AbortSignal): Promise<void> {
    while ((await pause(ALIVE_EVERY_MS, over)) === 'elapsed' && !this.#life.isEnded) {
      await this.#connection.agent.request(ALIVE_METHOD, {}).then(
        () => this.#life.push({ type: 'heartbeat' }),
        (error: unknown) => {
          if (error instanceof RequestError) this.#life.push({ type: 'heartbeat' });
        },
      );
    }
  }
}

/** Sums of sums have digits that no price has. */
const rest = (sum: number, base: number): number => Number((sum - base).toFixed(10));

const refused = (failure: Failure): PromptReceipt => ({ type: 'refused', failure });
