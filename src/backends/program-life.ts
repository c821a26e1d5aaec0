import { Channel } from '../base/channel.ts';
import { pause } from '../base/wait.ts';
import type { Failure } from '../contract/failure.ts';
import type { HostProcess } from '../hosts/host.ts';
import type { BackendEvent, CloseReport, EndReason } from './backend.ts';

/** Events that wait for the reader; beyond the first bound deltas and heartbeats are left out, beyond the second it ends. */
const MAX_EVENTS = 20_000;
const MAX_SMALL_EVENTS = 10_000;
/** Between the end of the output and the program's own end; without it the program is ended. */
const EXIT_WAIT_MS = 1_000;
/** For what a dead agent has left running. */
const SWEEP_GRACE_MS = 2_000;

/** The events of a session that has an agent program of its own, up to the one end that they have. */
export class ProgramLife {
  readonly events = new Channel<BackendEvent>(MAX_EVENTS);
  readonly #process: HostProcess;
  readonly #onEnd: (survivors: readonly number[]) => void;
  #fault: Failure | null = null;
  #closing: Promise<CloseReport> | null = null;

  /** `onEnd` is called once, after the last event. */
  constructor(process: HostProcess, onEnd: (survivors: readonly number[]) => void) {
    this.#process = process;
    this.#onEnd = onEnd;
  }

  get isEnded(): boolean {
    return this.events.isEnded;
  }

  /** Why there are no more turns. */
  get endFailure(): Failure {
    return this.#fault ?? { class: 'crash', message: 'the session is closed', resetAt: null };
  }

  push(event: BackendEvent): void {
    const isSmall = event.type === 'heartbeat' || event.type === 'text-delta' || event.type === 'reasoning-delta';
    if (isSmall && this.events.size >= MAX_SMALL_EVENTS) return;
    if (this.events.push(event) || this.events.isEnded || this.#fault) return;
    this.#fault = { class: 'internal', message: `${MAX_EVENTS} events were not read`, resetAt: null };
    void this.outputEnded(this.#fault);
  }

  readonly notice = (text: string): void => this.push({ type: 'notice', level: 'warning', text });

  /** Ends the program; concurrent callers share one close. */
  close(graceMs: number): Promise<CloseReport> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<CloseReport> {
    const { code, signal, survivors } = await this.#process.stop({ graceMs, isStdinEndedFirst: true });
    this.#end({ type: 'closed' }, survivors);
    return { exitCode: code, signal, survivors };
  }

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
    const own = isGone && exit.code !== null ? { exitCode: exit.code } : {};
    const failure = this.#fault ?? fault ?? { class: isGone ? 'crash' : 'protocol', message, resetAt: null, ...own };
    this.#end({ type: 'died', failure, exitCode: exit.code, signal: exit.signal }, survivors);
  }

  #end(reason: EndReason, survivors: readonly number[]): void {
    if (this.events.isEnded) return;
    this.events.pushLast({ type: 'ended', reason });
    if (reason.type === 'died') this.#fault = reason.failure;
    this.#onEnd(survivors);
  }
}
