import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import { startAgent } from './agent-start.ts';
import { stopAgent } from './agent-stop.ts';
import type { LifeTools } from './life-tools.ts';
import type { Parts } from './parts.ts';

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

  stop(input: ParsedInputOf<'agents.stop'>, caller: Caller): Promise<OutputOf<'agents.stop'>> {
    return stopAgent(this.#parts, this.#tools, input, caller);
  }
}
