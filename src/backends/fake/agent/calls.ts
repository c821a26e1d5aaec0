import type { ApprovalSubject, Decision, Question, ToolCall } from '../../../contract/approval.ts';
import type { PromptId } from '../../../contract/ids.ts';
import type { AgentEvent } from '../wire.ts';
import { type Control, Interrupted } from './control.ts';
import type { Journal } from './journal.ts';
import type { Step } from './steps.ts';
import type { Surroundings, ToolResult } from './tools.ts';

/** What a step can reach. */
export type Stage = Surroundings & {
  readonly journal: Journal;
  readonly control: Control;
  readonly tools: Readonly<Record<string, 'allow' | 'ask' | 'deny'>>;
  readonly off: ReadonlySet<string>;
  readonly emit: (event: AgentEvent) => void;
  /** A line as it is, past the protocol. */
  readonly emitRaw: (line: string) => void;
  readonly repeatLast: () => void;
  readonly disconnect: () => void;
  readonly setHeartbeat: (isOn: boolean) => void;
  /** Null: it was taken back. */
  readonly ask: (
    subject: ApprovalSubject,
    options: {
      readonly childId: string | undefined;
      readonly withdrawn: Promise<void> | null;
      readonly signal: AbortSignal;
    },
  ) => Promise<Decision | null>;
  readonly log: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
};

type Call = {
  readonly tool: string;
  readonly title: string;
  readonly input: unknown;
  /** Not done again after a crash has cut it. Default true; a question may be put again. */
  readonly isOnce?: boolean;
};

/** The calls of tools in a turn, and what they ask. */
export class Calls {
  readonly #stage: Stage;
  readonly #turn: PromptId;
  readonly #signal: AbortSignal;
  #key = '';
  #count = 0;
  #withdraw: Step['withdraw'];
  /** The child session in which they are made. */
  childId: string | undefined;

  constructor(stage: Stage, turn: PromptId, signal: AbortSignal) {
    this.#stage = stage;
    this.#turn = turn;
    this.#signal = signal;
  }

  /** From now on they belong to this step. `key` is the same after a resume. */
  enterStep(key: string, { withdraw }: Step): void {
    this.#key = key;
    this.#count = 0;
    this.#withdraw = withdraw;
    this.childId = undefined;
  }

  /** A call of a tool: told, permitted, written down before it is done, done once, told again. */
  async tool(
    call: Call,
    permissions: readonly ToolCall[],
    work: () => Promise<ToolResult> | ToolResult,
  ): Promise<void> {
    this.#count += 1;
    const name = `call${this.#count}`;
    const callId = `${this.#key}:${name}`;
    if (this.#stage.journal.hasOutput(callId)) return;
    const { input, tool, title } = call;
    const named = { tool, title };
    this.#stage.emit({ type: 'tool-started', callId, ...named, input });
    const end = (status: 'completed' | 'error' | 'interrupted', output: string): void => {
      const item = { type: 'tool', id: callId, at: Date.now(), tool: call.tool, input, output, status } as const;
      this.#stage.journal.append({ type: 'item', turn: this.#turn, item, isAnswer: false });
      this.#stage.emit({ type: 'tool-ended', callId, ...named, status, output });
    };
    if (this.#isBegun(name)) return end('interrupted', '[Tool execution was interrupted]');
    try {
      const denied = await this.#denial(permissions);
      if (denied !== null) return end('error', denied);
      if (call.isOnce !== false) this.isFirstTime(name);
      const { output, isError } = await work();
      if (this.#signal.aborted) throw new Interrupted();
      end(isError ? 'error' : 'completed', output);
    } catch (error) {
      if (error instanceof Interrupted) end('interrupted', '[Tool execution was interrupted]');
      else return end('error', error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** The words of the first refusal; null if everything is permitted. */
  async #denial(permissions: readonly ToolCall[]): Promise<string | null> {
    const { tools } = this.#stage;
    for (const call of permissions) {
      const rule = tools[call.tool] ?? tools['*'] ?? 'allow';
      if (rule === 'deny') return `A rule prevents the use of ${call.tool}.`;
      if (rule === 'allow') continue;
      const decision = await this.ask({ type: 'permission', call });
      if (decision?.type !== 'allow')
        return decision === null ? 'The request was withdrawn.' : resultOf(decision, [], '').output;
    }
    return null;
  }

  /** Null: it was withdrawn, by itself or by the step. */
  async ask(subject: ApprovalSubject): Promise<Decision | null> {
    const { control } = this.#stage;
    const hold = this.#withdraw;
    const withdrawn =
      hold === undefined ? null : hold === true ? Promise.resolve() : control.released(hold, this.#signal);
    return this.#stage.ask(subject, { childId: this.childId, withdrawn, signal: this.#signal });
  }

  /** Whether that was not begun before a crash; from now on it was. */
  isFirstTime(what: string): boolean {
    const isFirst = !this.#isBegun(what);
    if (isFirst) this.#stage.journal.append({ type: 'begun', turn: this.#turn, call: `${this.#key}:${what}` });
    return isFirst;
  }

  #isBegun(what: string): boolean {
    return this.#stage.journal.begun.has(`${this.#key}:${what}`);
  }
}

/** The answer as the model reads it: that of a question names the questions, a denial gives its reason. */
export function resultOf(decision: Decision, questions: readonly Question[], allowed: string): ToolResult {
  switch (decision.type) {
    case 'allow':
      return { output: allowed, isError: false };
    case 'deny':
      return { output: `Denied: ${decision.reason}`, isError: true };
    case 'answer': {
      const answers = questions.map(({ question }, i) => `"${question}"="${(decision.answers[i] ?? []).join(', ')}"`);
      return { output: `User has answered your questions: ${answers.join(', ')}.`, isError: false };
    }
    default:
      return decision satisfies never;
  }
}
