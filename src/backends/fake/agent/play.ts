import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pause } from '../../../base/wait.ts';
import type { Question, ToolCall } from '../../../contract/approval.ts';
import type { ChildState, TurnOutcome } from '../../../contract/fact.ts';
import { NO_USAGE, type Usage } from '../../../contract/usage.ts';
import type { WireFailure } from '../wire.ts';
import { Calls, resultOf, type Stage } from './calls.ts';
import { Interrupted } from './control.ts';
import { type Turn, usageOfTurn } from './journal.ts';
import type { Step } from './steps.ts';
import { changeFile, commandCall, editCalls, runCommand, startChild } from './tools.ts';

export type Ending = { readonly outcome: TurnOutcome; readonly failure: WireFailure | null };

const LATE_TEXT = 'a word after the end';

/** Plays the steps of one turn. */
export class Player {
  readonly #stage: Stage;
  readonly #turn: Turn;
  readonly #signal: AbortSignal;
  #step: Step = {};
  #key = '';
  #lastChild: string | undefined;
  readonly #calls: Calls;
  /** To be said when the turn is over. */
  lateText: string | null = null;

  constructor(stage: Stage, turn: Turn, signal: AbortSignal) {
    this.#stage = stage;
    this.#turn = turn;
    this.#signal = signal;
    this.#calls = new Calls(stage, turn.id, signal);
  }

  /** @returns how the turn ends, null if it goes on. @throws Interrupted */
  async play(step: Step): Promise<Ending | null> {
    this.#step = step;
    const { source, step: number } = this.#stage.journal;
    this.#key = `${source?.id}:${number}`;
    this.#calls.enterStep(this.#key, step);
    if (step.once !== undefined && !this.#stage.control.isFirst(step.once)) return null;
    let state: ChildState = 'stopped';
    try {
      const ending = await this.#doAll();
      state = ending?.outcome === 'failed' ? 'failed' : 'done';
      return ending;
    } finally {
      const { childId: nativeId } = this.#calls;
      if (nativeId !== undefined) this.#stage.emit({ type: 'child-state', nativeId, state });
    }
  }

  async #doAll(): Promise<Ending | null> {
    for (const key of KEYS) {
      const ending = await this.#do(key);
      if (this.#signal.aborted) throw new Interrupted();
      if (ending) return ending;
    }
    return null;
  }

  /** What each key of a step does; one that ends the turn returns an Ending. */
  readonly #actions: {
    readonly [K in ActionKey]: (value: NonNullable<Step[K]>) => unknown;
  } = {
    hold: (name) => this.#stage.control.released(name, this.#signal),
    silent: async (ms) => {
      this.#stage.setHeartbeat(this.#step.heartbeat !== false);
      await pause(ms, this.#signal);
      this.#stage.setHeartbeat(true);
    },
    child: (kind) => {
      const { off, emit, journal } = this.#stage;
      if (off.has('children')) return failed('tool', 'this agent has no sub-agents');
      const nativeId = `${journal.nativeId}.${this.#key}`;
      const parentId = kind === 'nested' ? this.#lastChild : undefined;
      this.#lastChild = nativeId;
      this.#calls.childId = nativeId;
      emit({ type: 'child-started', nativeId, title: 'a child session', parentId });
      emit({ type: 'child-state', nativeId, state: 'running' });
      return undefined;
    },
    reasoning: (text) => {
      if (!this.#stage.off.has('reasoning')) this.#say('reasoning', text, false);
    },
    say: (text) => this.#say('text', text, false),
    text: (text) =>
      this.#say(
        'text',
        text.replaceAll('{{lastToolOutput}}', () => this.#lastOutput()),
        true,
      ),
    report: (path) =>
      this.#calls.tool({ tool: 'read', title: path, input: { path } }, [permission('read', path)], () => {
        this.#say('text', readFileSync(resolve(this.#stage.directory, path), 'utf8'), true);
        return { output: `Read ${path}`, isError: false };
      }),
    claimDone: (isDone) => this.#say('text', isDone ? 'The task is done.' : 'The task is not done.', true),
    write: (file) => this.#edit(file, 'write'),
    append: (file) => this.#edit(file, 'append'),
    run: ({ command, limitMs }) => this.#run(command, limitMs),
    commit: (message) => this.#run(`git add -A && git commit -q -m ${quoted(message)}`),
    push: ({ remote, branch }) => this.#run(`git push ${remote} HEAD${branch === undefined ? '' : `:${branch}`}`),
    tools: async (tools) => {
      for (const { name, input, output } of tools) await this.#namedTool(name, input, output);
    },
    ask: ({ tool, patterns, command, diff }) => {
      const call = { tool, patterns, command: command ?? null, diff: diff ?? null };
      return this.#calls.tool({ tool, title: command ?? tool, input: call, isOnce: false }, [], async () => {
        const decision = await this.#calls.ask({ type: 'permission', call });
        return decision === null
          ? { output: 'The request was withdrawn.', isError: true }
          : resultOf(decision, [], 'Allowed.');
      });
    },
    question: (question) => this.#question(question),
    env: () =>
      this.#calls.tool({ tool: 'env', title: 'environment', input: {} }, [], () => ({
        output: JSON.stringify(this.#stage.env),
        isError: false,
      })),
    spawn: (kind) =>
      this.#calls.tool({ tool: 'spawn', title: kind, input: { kind } }, [], () => startChild(kind, this.#stage)),
    todo: (items) => this.#stage.emit({ type: 'todo', items }),
    compact: () => {
      this.#stage.emit({ type: 'compaction', phase: 'started' });
      this.#stage.journal.append({ type: 'compacted' });
      this.#stage.emit({ type: 'compaction', phase: 'ended' });
    },
    retry: ({ try: count, message, inMs }) =>
      this.#stage.emit({
        type: 'retrying',
        try: count,
        message,
        nextAt: inMs === undefined ? null : Date.now() + inMs,
      }),
    usage: (usage) => this.#use({ ...usage, costUsd: this.#step.cost ?? usage.costUsd }),
    cost: (costUsd) => {
      if (!this.#step.usage) this.#use({ ...NO_USAGE, costUsd });
    },
    bigLine: (bytes) => this.#stage.emit({ type: 'text', partId: `${this.#key}:big`, text: 'x'.repeat(bytes) }),
    malformed: (count) => {
      for (let i = 0; i < (count === true ? 1 : count); i += 1) this.#stage.emitRaw('{"type": not json');
    },
    duplicate: () => this.#stage.repeatLast(),
    late: () => {
      this.lateText = LATE_TEXT;
    },
    disconnect: () => this.#stage.disconnect(),
    exit: (code) => {
      if (this.#calls.isFirstTime('exit')) process.exit(code);
    },
    kill: (signal) => {
      if (this.#calls.isFirstTime('kill')) process.kill(process.pid, signal as NodeJS.Signals);
    },
    fail: ({ class: kind, message, resetAt, resetInMs }) =>
      failed(kind, message, resetAt ?? (resetInMs === undefined ? null : Date.now() + resetInMs)),
    emptyError: () => failed('model', ''),
    successWithError: () => ({ ...failed('model', 'the model answered with an error'), outcome: 'done' }),
    length: () => ({ outcome: 'length', failure: null }),
  };

  async #do<K extends ActionKey>(key: K): Promise<Ending | null> {
    const value = this.#step[key];
    if (value === undefined) return null;
    const action: (value: NonNullable<Step[K]>) => unknown = this.#actions[key];
    return ((await action(value)) as Ending | undefined) ?? null;
  }

  #say(type: 'text' | 'reasoning', text: string, isAnswer: boolean): void {
    const partId = `${this.#key}:${type}${isAnswer ? '' : ':on-the-way'}`;
    for (const piece of pieces(text, this.#step.chunks ?? 3)) {
      this.#stage.emit({ type: `${type}-delta`, partId, text: piece });
    }
    this.#stage.journal.append({
      type: 'item',
      turn: this.#turn.id,
      item: { type, id: partId, at: Date.now(), text },
      isAnswer,
    });
    this.#stage.emit({ type, partId, text });
    this.#stage.log('message', { part: type, text });
  }

  #use(usage: Usage): void {
    const whole = this.#stage.off.has('cost') ? { ...usage, costUsd: null } : usage;
    this.#stage.journal.append({ type: 'usage', turn: this.#turn.id, step: this.#key, usage: whole });
    this.#stage.emit({ type: 'usage', usage: usageOfTurn(this.#turn) });
  }

  async #edit({ path, content }: { path: string; content: string }, mode: 'write' | 'append'): Promise<void> {
    await this.#calls.tool(
      { tool: mode, title: path, input: { path, content } },
      editCalls(path, content, this.#stage),
      () => {
        const result = changeFile(path, content, mode, this.#stage);
        this.#stage.emit({ type: 'file-changed', path: resolve(this.#stage.directory, path) });
        return result;
      },
    );
  }

  async #run(command: string, limitMs?: number): Promise<void> {
    await this.#calls.tool({ tool: 'bash', title: command, input: { command } }, [commandCall(command)], () =>
      runCommand(command, limitMs, this.#stage, this.#signal),
    );
  }

  /** A tool by the name that a model would call it by. */
  async #namedTool(name: string, input: Readonly<Record<string, unknown>>, output = 'ok'): Promise<void> {
    const path = input.filePath ?? input.path;
    if (name === 'bash' && typeof input.command === 'string') await this.#run(input.command);
    else if (name === 'write' && typeof path === 'string') {
      await this.#edit({ path, content: String(input.content ?? '') }, 'write');
    } else {
      const pattern = typeof path === 'string' ? path : '*';
      await this.#calls.tool({ tool: name, title: name, input }, [permission(name, pattern)], () => ({
        output,
        isError: false,
      }));
    }
  }

  async #question(question: Question): Promise<void> {
    await this.#calls.tool(
      { tool: 'question', title: question.question, input: { questions: [question] }, isOnce: false },
      [],
      async () => {
        if (this.#stage.off.has('questions')) return { output: 'There is no tool "question".', isError: true };
        const decision = await this.#calls.ask({ type: 'question', questions: [question] });
        return decision === null
          ? { output: 'The question was withdrawn.', isError: true }
          : resultOf(decision, [question], '');
      },
    );
  }

  #lastOutput(): string {
    const last = this.#stage.journal.items().findLast((item) => item.type === 'tool');
    return last?.type === 'tool' ? (last.output ?? '') : '';
  }
}

/** The order in which the keys of a step are played. */
const KEYS = [
  ...['hold', 'silent', 'child', 'reasoning', 'say', 'text', 'report', 'claimDone'],
  ...['write', 'append', 'run', 'commit', 'push', 'tools', 'ask', 'question', 'env', 'spawn'],
  ...['todo', 'compact', 'retry', 'usage', 'cost', 'bigLine', 'malformed', 'duplicate', 'late', 'disconnect'],
  ...['exit', 'kill', 'fail', 'emptyError', 'successWithError', 'length'],
] as const;
type ActionKey = (typeof KEYS)[number];

const failed = (kind: WireFailure['class'], message: string, resetAt: number | null = null): Ending => ({
  outcome: 'failed',
  failure: { class: kind, message, resetAt },
});

const permission = (tool: string, pattern: string): ToolCall => ({
  tool,
  patterns: [pattern],
  command: null,
  diff: null,
});

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** At most `count` pieces of about equal length, cut between characters. */
function pieces(text: string, count: number): string[] {
  const characters = [...text];
  const size = Math.max(1, Math.ceil(characters.length / count));
  const found: string[] = [];
  for (let from = 0; from < characters.length; from += size) found.push(characters.slice(from, from + size).join(''));
  return found;
}
