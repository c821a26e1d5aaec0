import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import type { Parts } from '../parts.ts';
import { forkAgent } from './agent-fork.ts';
import { startAgent } from './agent-start.ts';
import { stopAgent } from './agent-stop.ts';
import { attach } from './attach.ts';
import { handOver } from './handoff.ts';
import type { LifeTools } from './life-tools.ts';
import { peek } from './peek.ts';
import { prime } from './prime.ts';

/** What people do with one agent. */
export class Agents {
  readonly #parts: Parts;
  readonly #tools: LifeTools;

  constructor(parts: Parts, tools: LifeTools) {
    this.#parts = parts;
    this.#tools = tools;
  }

  start(input: ParsedInputOf<'agents.start'>, caller: Caller): Promise<OutputOf<'agents.start'>> {
    return startAgent(this.#parts, this.#tools, input, caller);
  }

  fork(input: ParsedInputOf<'agents.fork'>, caller: Caller): Promise<OutputOf<'agents.fork'>> {
    return forkAgent(this.#parts, this.#tools, input, caller);
  }

  handOver(input: ParsedInputOf<'agents.handoff'>, caller: Caller): Promise<OutputOf<'agents.handoff'>> {
    return handOver(this.#parts, this.#tools, input, caller);
  }

  peek(input: ParsedInputOf<'agents.peek'>): OutputOf<'agents.peek'> {
    return peek(this.#parts, this.#tools.queries, input);
  }

  attach(input: ParsedInputOf<'agents.attach'>, caller: Caller): Promise<OutputOf<'agents.attach'>> {
    return attach(this.#parts, this.#tools, input, caller);
  }

  prime(input: ParsedInputOf<'agents.prime'>, caller: Caller): OutputOf<'agents.prime'> {
    return prime(this.#parts, input, caller);
  }

  stop(input: ParsedInputOf<'agents.stop'>, caller: Caller): Promise<OutputOf<'agents.stop'>> {
    return stopAgent(this.#parts, this.#tools, input, caller);
  }
}
