import type { OutputOf } from '../contract/api.ts';
import type { DELEGATION_OPERATIONS } from '../contract/delegation-operations.ts';
import type { Delegations } from '../engine/delegation/delegations.ts';
import type { Handlers } from './handlers.ts';

/** How the daemon and what it depends on were last seen. */
export type Health = Pick<OutputOf<'delegations.load'>, 'status' | 'dependencies' | 'lettaUrl' | 'image'>;

/** What other programs do with tasks that they handed over. */
export const delegationHandlers = (
  delegations: Delegations,
  health: () => Health,
): Pick<Handlers, keyof typeof DELEGATION_OPERATIONS> => ({
  whoami: (_, { actor, scope, agent, callers }) => ({ actor, scope, agent, callers: callers ? [...callers] : null }),
  'delegations.load': () => ({ ...delegations.load(), ...health() }),
  'delegations.submit': (input, caller) => delegations.submit(input, caller),
  'delegations.list': (input, caller) => delegations.list(input, caller),
  'delegations.get': (input, caller) => delegations.get(input, caller),
  'delegations.history': (input, caller) => delegations.history(input, caller),
  'delegations.message': (input, caller) => delegations.message(input, caller),
  'delegations.control': (input, caller) => delegations.control(input, caller),
  'delegations.files': (input, caller) => delegations.files(input, caller),
  'delegations.file': (input, caller) => delegations.file(input, caller),
  'delegations.diff': (input, caller) => delegations.diff(input, caller),
  'delegations.approvals': (input, caller) => delegations.approvals(input, caller),
  'delegations.decide': (input, caller) => delegations.decide(input, caller),
});
