import type { LIFE_OPERATIONS } from '../contract/life-operations.ts';
import type { Agents } from '../engine/agents/agents.ts';
import type { Handlers } from './handlers.ts';

/** The life cycle of one agent. */
export const lifeHandlers = (agents: Agents): Pick<Handlers, keyof typeof LIFE_OPERATIONS> => ({
  'agents.start': (input, caller) => agents.start(input, caller),
  'agents.handoff': (input, caller) => agents.handOver(input, caller),
  'agents.fork': (input, caller) => agents.fork(input, caller),
  'agents.peek': (input) => agents.peek(input),
  'agents.attach': (input, caller) => agents.attach(input, caller),
  'agents.prime': (input, caller) => agents.prime(input, caller),
  'agents.stop': (input, caller) => agents.stop(input, caller),
});
