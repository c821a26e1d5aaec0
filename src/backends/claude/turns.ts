import { type Deferred, deferred, within } from '../../base/wait.ts';
import type { Failure } from '../../contract/failure.ts';
import type { PromptId } from '../../contract/ids.ts';
import { addUsage, NO_USAGE, type Usage } from '../../contract/usage.ts';
import type { BackendEvent, Prompt, PromptReceipt } from '../backend.ts';
import { type Connection, REPLY_LIMIT_MS } from './connection.ts';
import type { Block, NativeLine, NativeResult } from './decode.ts';
import { GO_ON, type Standing } from './history.ts';
import { INTERRUPTED, type Limit, type Verdict, verdictOf } from './outcome.ts';

type TurnEnded = Extract<BackendEvent, { type: 'turn-ended' }>;

type Sent = {
  readonly prompt: Prompt;
  /** By which the program names what it was sent. */
  readonly uuid: string;
  readonly receipt: Deferred<PromptReceipt>;
  isStarted: boolean;
  /** The program has said that it will do no more about it. */
  isOver: boolean;
  result: NativeResult | null;
  usage: Usage;
};

/** Everything that the program works on until it is idle again. */
type Turn = {
  readonly sent: Sent[];
  readonly over: Deferred<void>;
  last: NativeResult | null;
  /** The running sum, and what of it was told. */
  usage: Usage;
  told: Usage;
  /** Calls of tools that are not over. */
  readonly calls: Set<string>;
};

export type TurnOptions = {
  readonly connection: Pick<Connection, 'send' | 'request'>;
  readonly emit: (event: BackendEvent) => void;
  /** What an earlier process may have made of a prompt. Null: nothing can have been sent before. */
  readonly standing: ((uuid: string) => Promise<Standing>) | null;
  readonly newUuid: () => string;
  /** Before the ends of a turn's prompts are told. */
  readonly onSettle: () => void;
  /** After they were told. */
  readonly onOver: () => void;
};

const KEPT_ENDS = 100;
const ACCEPTED: PromptReceipt = { type: 'accepted' };

/**
 * The turns of one session. The program's results are not one to one with prompts: it puts waiting ones together, and works
 * on by itself when a sub-agent ends. So a turn lasts until the program says that it is idle.
 */
export class Turns {
  readonly #options: TurnOptions;
  readonly #ended = new Map<PromptId, TurnEnded>();
  #turn: Turn | null = null;
  /** Of work that nobody asked for: told with the next end. */
  #unclaimed = NO_USAGE;
  #limit: Limit | null = null;

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#turn !== null;
  }

  has(promptId: PromptId): boolean {
    return this.#turn?.sent.some(({ prompt }) => prompt.id === promptId) ?? false;
  }

  /** Gives a prompt to the program, into the turn that runs if one does. Exactly once, whatever happened before. */
  async send(prompt: Prompt): Promise<PromptReceipt> {
    const running = this.#turn?.sent.find((sent) => sent.prompt.id === prompt.id);
    if (running) return await running.receipt.promise;
    const ended = this.#ended.get(prompt.id);
    if (ended) return this.#report(ended);
    const { uuid } = prompt.native;
    if (uuid === undefined) return refused('protocol', 'the prompt has no native id');
    const standing = (await this.#options.standing?.(uuid)) ?? { type: 'unknown' };
    switch (standing.type) {
      case 'unknown':
        return await this.#begin(prompt, uuid, prompt.text, NO_USAGE);
      case 'cut':
        return await this.#begin(prompt, this.#options.newUuid(), GO_ON, standing.usage);
      case 'over': {
        const { verdict, text, usage } = standing;
        return this.#report({ type: 'turn-ended', promptId: prompt.id, ...verdict, text, usage });
      }
      default:
        return standing satisfies never;
    }
  }

  /** Ends what runs; resolves when the program is idle. @throws AppError `timeout`, `backend_failed` */
  async interrupt(limitMs: number): Promise<void> {
    const turn = this.#turn;
    await this.#options.connection.request({ subtype: 'interrupt', cancel_queued: true }, limitMs);
    await within(
      turn?.over.promise ?? Promise.resolve(),
      limitMs,
      () => new Error('Claude Code did not stop its turn'),
    );
  }

  take(line: NativeLine): void {
    switch (line.type) {
      case 'lifecycle':
        this.#lifecycle(line.uuid, line.state);
        break;
      case 'result':
        this.#result(line.result);
        break;
      case 'usage':
        if (this.#turn) this.#turn.usage = addUsage(this.#turn.usage, line.usage);
        this.#tellUsage();
        break;
      case 'blocks':
        this.#calls(line.blocks);
        this.#tellUsage();
        break;
      case 'state':
        if (line.state === 'idle') this.#settle();
        break;
      case 'limit':
        this.#limit = line.isReached ? { resetAt: line.resetAt } : null;
        break;
      default:
    }
  }

  /** The session is over: what runs is left without an end, but if it was cut on purpose it is told. */
  abandon(failure: Failure, isCut: boolean): void {
    const turn = this.#turn;
    this.#turn = null;
    for (const sent of turn?.sent ?? []) {
      sent.receipt.resolve({ type: 'refused', failure });
      if (isCut && sent.isStarted) this.#end(sent, INTERRUPTED, '');
    }
    turn?.over.resolve();
  }

  async #begin(prompt: Prompt, uuid: string, text: string, usage: Usage): Promise<PromptReceipt> {
    const receipt = deferred<PromptReceipt>();
    const sent: Sent = { prompt, uuid, receipt, isStarted: false, isOver: false, result: null, usage };
    this.#turn ??= turnOf([], usage);
    this.#turn.sent.push(sent);
    this.#options.connection.send({
      type: 'user',
      message: { role: 'user', content: text },
      parent_tool_use_id: null,
      uuid,
      // Joins the running turn after its next tool; what must not, waits on our side.
      priority: 'next',
      // Word for word: no slash command, no file by `@`.
      client_composed: true,
    });
    return await within(receipt.promise, REPLY_LIMIT_MS, () => new Error('Claude Code did not take the prompt'));
  }

  #lifecycle(uuid: string, state: Extract<NativeLine, { type: 'lifecycle' }>['state']): void {
    const sent = this.#turn?.sent.find((one) => one.uuid === uuid);
    if (!sent) return;
    this.#start(sent);
    if (state === 'completed' || state === 'cancelled') sent.isOver = true;
  }

  #start(sent: Sent): void {
    if (sent.isStarted) return;
    sent.isStarted = true;
    this.#options.emit({ type: 'turn-started', promptId: sent.prompt.id });
    sent.receipt.resolve(ACCEPTED);
  }

  #result(result: NativeResult): void {
    const owners = this.#turn?.sent.filter(({ uuid }) => result.uuids.includes(uuid)) ?? [];
    for (const owner of owners) {
      this.#start(owner);
      owner.result = result;
    }
    if (this.#turn) this.#turn.last = result;
    const [first] = owners;
    if (first) first.usage = addUsage(first.usage, result.usage);
    else this.#unclaimed = addUsage(this.#unclaimed, result.usage);
  }

  #calls(blocks: readonly Block[]): void {
    for (const block of blocks) {
      if (block.type === 'tool-use') this.#turn?.calls.add(block.id);
      if (block.type === 'tool-result') this.#turn?.calls.delete(block.id);
    }
  }

  /** Between two requests to the model: whoever then ends the turn cuts no tool. */
  #tellUsage(): void {
    const turn = this.#turn;
    if (!turn || turn.calls.size > 0 || turn.usage === turn.told) return;
    turn.told = turn.usage;
    this.#options.emit({ type: 'usage', usage: turn.usage });
  }

  /** The program is idle. A prompt that crossed its last word on the way begins another turn. */
  #settle(): void {
    const turn = this.#turn;
    const over = turn?.sent.filter((sent) => sent.isOver || sent.result !== null) ?? [];
    const newest = over.at(-1);
    if (!turn || !newest) return;
    this.#options.onSettle();
    const left = turn.sent.filter((sent) => !over.includes(sent));
    this.#turn = left.length === 0 ? null : turnOf(left, NO_USAGE);
    newest.usage = addUsage(newest.usage, this.#unclaimed);
    this.#unclaimed = NO_USAGE;
    for (const sent of over) {
      // What came after its own result belongs to it, too: a sub-agent ended, and the program said what it makes of it.
      const result = sent === newest && turn.last && !sent.result?.isError ? turn.last : sent.result;
      const isUnheard = sent.result === null;
      this.#end(sent, isUnheard || !result ? INTERRUPTED : verdictOf(result, this.#limit), textOf(result));
    }
    turn.over.resolve();
    this.#options.onOver();
  }

  #end({ prompt, usage }: Sent, verdict: Verdict, text: string): void {
    this.#tell({ type: 'turn-ended', promptId: prompt.id, ...verdict, text, usage });
  }

  #report(end: TurnEnded): PromptReceipt {
    this.#options.emit({ type: 'turn-started', promptId: end.promptId });
    this.#tell(end);
    return ACCEPTED;
  }

  #tell(end: TurnEnded): void {
    this.#options.emit(end);
    this.#ended.set(end.promptId, end);
    const oldest = this.#ended.keys().next();
    if (this.#ended.size > KEPT_ENDS && !oldest.done) this.#ended.delete(oldest.value);
  }
}

const turnOf = (sent: Sent[], usage: Usage): Turn => ({
  sent,
  over: deferred(),
  last: null,
  usage,
  told: usage,
  calls: new Set(),
});

const textOf = (result: NativeResult | null): string => (result && !result.isError ? result.text : '');

const refused = (kind: Failure['class'], message: string): PromptReceipt => ({
  type: 'refused',
  failure: { class: kind, message, resetAt: null },
});
