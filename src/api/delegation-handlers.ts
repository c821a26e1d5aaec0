import type { DELEGATION_OPERATIONS } from '../contract/delegation-operations.ts';
import type { Delegations } from '../engine/delegations.ts';
import type { Handlers } from './handlers.ts';

/** What other programs do with tasks that they handed over. */
export const delegationHandlers = (delegations: Delegations): Pick<Handlers, keyof typeof DELEGATION_OPERATIONS> => ({
  whoami: (_, { actor, scope, agent, callers }) => ({ actor, scope, agent, callers: callers ? [...callers] : null }),
  'delegations.load': () => delegations.load(),
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
