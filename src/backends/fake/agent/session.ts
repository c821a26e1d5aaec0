import { randomUUID } from 'node:crypto';
import { markerSteps, ruleSteps } from '../../../base/script.ts';
import { type Deferred, deferred } from '../../../base/wait.ts';
import type { ApprovalSubject, Decision } from '../../../contract/approval.ts';
import type { PromptId } from '../../../contract/ids.ts';
import { NO_USAGE } from '../../../contract/usage.ts';
import type { AgentEvent, AgentFrame, DriverFrame, WireFailure } from '../wire.ts';
import type { Stage } from './calls.ts';
import { Interrupted, unlessAborted } from './control.ts';
import { type Turn, usageOfTurn } from './journal.ts';
import { type Ending, Player } from './play.ts';
import { type FakeScript, type Step, stepSchema } from './steps.ts';

type Frame<T extends DriverFrame['type']> = Extract<DriverFrame, { type: T }>;

type Running = {
  readonly turn: Turn;
  readonly abort: AbortController;
  /** The prompts whose start was told by this process: each gets its end. */
  readonly announced: PromptId[];
  readonly over: Deferred<void>;
};

const NO_SCRIPT = 'No script matched this prompt: it holds no marker, and no rule of the script is for it.';
const PAST_THE_END: Step = { text: 'Done.' };

/** The live side of one native session: takes prompts, runs one turn at a time, keeps the open questions. */
export class AgentSession {
  readonly #stage: Stage;
  readonly #script: FakeScript;
  readonly #instructions: string;
  readonly #send: (frame: AgentFrame) => void;
  readonly #asks = new Map<string, Deferred<Decision | null>>();
  #running: Running | null = null;
  #seq = 0;

  constructor(options: {
    readonly stage: Omit<Stage, 'emit' | 'ask'>;
    readonly script: FakeScript;
    readonly instructions: string;
    readonly send: (frame: AgentFrame) => void;
  }) {
    this.#stage = {
      ...options.stage,
      emit: (event) => this.#emit(event, this.#running?.turn.id ?? null),
      ask: (subject, how) => this.#ask(subject, how),
    };
    this.#script = options.script;
    this.#instructions = options.instructions;
    this.#send = options.send;
  }

  heartbeat(): void {
    this.#emit({ type: 'heartbeat' }, null);
  }

  handle(frame: Frame<'prompt' | 'answer' | 'interrupt' | 'transcript'>): void {
    switch (frame.type) {
      case 'prompt':
        this.#prompt(frame);
        break;
      case 'answer':
        this.#answer(frame);
        break;
      case 'interrupt':
        void this.#interrupt(frame);
        break;
      case 'transcript':
        for (const item of this.#stage.journal.items()) this.#send({ type: 'item', to: frame.id, item });
        this.#send({ type: 'reply', to: frame.id, result: 'done' });
        break;
      default:
        frame satisfies never;
    }
  }

  #prompt(frame: Frame<'prompt'>): void {
    const { promptId, text, mode } = frame;
    const { journal } = this.#stage;
    const reply = (result: 'accepted' | 'busy' | 'refused', failure?: WireFailure): void => {
      this.#stage.log('prompt', { promptId, mode, text, result });
      this.#send({ type: 'reply', to: frame.id, result, ...(failure && { failure }) });
    };
    const known = journal.turnOf(promptId);
    if (this.#running) {
      const { turn } = this.#running;
      const joins = known === turn || (!known && mode === 'steer' && !this.#stage.off.has('steer'));
      if (joins && !known) this.#write(frame, turn);
      reply(joins ? 'accepted' : 'busy');
      if (joins) this.#announce(promptId);
    } else if (known) {
      reply('accepted');
      if (known.end) this.#tellAgain(known, promptId);
      else this.#start(known, promptId);
    } else this.#begin(frame, reply);
  }

  #begin(frame: Frame<'prompt'>, reply: (result: 'accepted' | 'refused', failure?: WireFailure) => void): void {
    const refusal = this.#stepsOf(frame.text).steps[0]?.refuse;
    if (refusal) {
      reply('refused', { ...refusal, resetAt: null });
      return;
    }
    this.#stage.journal.endOpenTurns('another prompt came instead');
    const turn = this.#write(frame, null);
    reply('accepted');
    this.#start(turn, frame.promptId);
  }

  #write({ promptId, text }: Frame<'prompt'>, joined: Turn | null): Turn {
    const { journal } = this.#stage;
    const turn = joined?.id ?? promptId;
    const isScripted = markerSteps('fake', text, stepSchema) !== null;
    journal.append({ type: 'prompt', turn, id: promptId, text, isScripted, at: Date.now() });
    const written = journal.turns.get(turn);
    if (!written) throw new Error(`the journal lost ${turn}`);
    return written;
  }

  #start(turn: Turn, promptId: PromptId): void {
    this.#running = { turn, abort: new AbortController(), announced: [], over: deferred() };
    this.#announce(promptId);
    void this.#run(this.#running);
  }

  #announce(promptId: PromptId): void {
    if (!this.#running || this.#running.announced.includes(promptId)) return;
    this.#running.announced.push(promptId);
    this.#stage.emit({ type: 'turn-started', promptId });
  }

  async #run(running: Running): Promise<void> {
    const { turn, abort } = running;
    const player = new Player(this.#stage, turn, abort.signal);
    let ending: Ending;
    try {
      ending = await this.#playAll(turn, player);
    } catch (error) {
      if (error instanceof Interrupted) ending = { outcome: 'interrupted', failure: null };
      else {
        const message = error instanceof Error ? error.message : String(error);
        ending = { outcome: 'failed', failure: { class: 'internal', message, resetAt: null } };
      }
    }
    const end = { ...ending, text: turn.answer ?? '' };
    this.#stage.journal.append({ type: 'turn-ended', turn: turn.id, ...end });
    this.#stage.log('turn-ended', { turn: turn.id, ...end });
    for (const [i, promptId] of running.announced.entries()) this.#tellEnd(turn, promptId, i === 0);
    const { lateText } = player;
    if (lateText !== null) this.#stage.emit({ type: 'text', partId: `${turn.id}:late`, text: lateText });
    this.#running = null;
    running.over.resolve();
  }

  async #playAll(turn: Turn, player: Player): Promise<Ending> {
    const { journal } = this.#stage;
    for (;;) {
      const { steps, faults } = this.#stepsOf(journal.source?.text ?? '');
      if (faults.length > 0) {
        const message = `the script in the prompt is not valid: ${faults.join('; ')}`;
        return { outcome: 'failed', failure: { class: 'model', message, resetAt: null } };
      }
      const step = steps[journal.step];
      if (!step && turn.answer !== null) return { outcome: 'done', failure: null };
      this.#logRequest(turn);
      const ending = await player.play(step ?? PAST_THE_END);
      journal.append({ type: 'step-done', turn: turn.id });
      if (ending) return ending;
    }
  }

  /** The steps that a text stands for, or what is wrong with them. */
  #stepsOf(text: string): { readonly steps: readonly Step[]; readonly faults: readonly string[] } {
    const marked = markerSteps('fake', text, stepSchema);
    if (marked) return marked.ok ? { steps: marked.value, faults: [] } : { steps: [], faults: marked.faults };
    const ruled = ruleSteps(this.#script, { prompt: text, system: this.#instructions });
    return { steps: ruled ?? [{ text: NO_SCRIPT }], faults: [] };
  }

  #logRequest(turn: Turn): void {
    const { journal } = this.#stage;
    const said = journal.conversation().map((item) => {
      if (item.type === 'raw') return { role: 'raw', text: JSON.stringify(item.value) };
      if (item.type === 'tool') return { role: 'tool', text: item.output ?? '' };
      return { role: item.type === 'user' ? 'user' : 'assistant', text: item.text };
    });
    const messages = [{ role: 'system', text: this.#instructions }, ...said];
    this.#stage.log('request', { turn: turn.id, source: journal.source?.id, step: journal.step, messages });
  }

  /** The usage of a turn that several prompts share is told once, so that sums are right. */
  #tellEnd(turn: Turn, promptId: PromptId, hasUsage: boolean): void {
    if (!turn.end) return;
    const usage = hasUsage ? usageOfTurn(turn) : NO_USAGE;
    this.#emit({ type: 'turn-ended', promptId, ...turn.end, usage }, turn.id);
  }

  #tellAgain(turn: Turn, promptId: PromptId): void {
    this.#emit({ type: 'turn-started', promptId }, turn.id);
    this.#tellEnd(turn, promptId, promptId === turn.id);
  }

  async #ask(
    subject: ApprovalSubject,
    { childId, withdrawn, signal }: Parameters<Stage['ask']>[1],
  ): Promise<Decision | null> {
    const nativeId = `ask_${randomUUID().replaceAll('-', '')}`;
    const answer = deferred<Decision | null>();
    const isFromChild = childId !== undefined;
    this.#asks.set(nativeId, answer);
    this.#stage.log('asked', { nativeId, subject, isFromChild });
    this.#stage.emit({ type: 'asked', nativeId, subject, isFromChild, childId });
    const takeBack = (cause: string): void => {
      if (!this.#asks.delete(nativeId)) return;
      this.#stage.emit({ type: 'withdrawn', nativeId, cause });
      answer.resolve(null);
    };
    // Its failure is the abort, which is seen below as well.
    withdrawn?.then(() => takeBack('the agent took it back')).catch(() => undefined);
    try {
      return await unlessAborted(answer.promise, signal);
    } finally {
      takeBack('the turn was interrupted');
    }
  }

  #answer({ id, nativeId, decision }: Frame<'answer'>): void {
    const ask = this.#asks.get(nativeId);
    this.#stage.log('answer', { nativeId, decision, result: ask ? 'taken' : 'gone' });
    this.#asks.delete(nativeId);
    this.#send({ type: 'reply', to: id, result: ask ? 'taken' : 'gone' });
    ask?.resolve(decision);
  }

  async #interrupt({ id }: Frame<'interrupt'>): Promise<void> {
    this.#stage.log('interrupt', { turn: this.#running?.turn.id ?? null });
    this.#running?.abort.abort();
    await this.#running?.over.promise;
    this.#send({ type: 'reply', to: id, result: 'done' });
  }

  #emit(event: AgentEvent, turn: PromptId | null): void {
    this.#seq += 1;
    this.#send({ type: 'event', seq: this.#seq, turn, event });
  }
}
