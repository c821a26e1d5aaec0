import { type InputOf, OPERATIONS, type OperationName, type OutputOf } from '../contract/api.ts';
import type { Operation } from '../contract/operation.ts';
import { SCOPES_THAT_SATISFY } from '../contract/shapes.ts';
import type { Tool } from './tool.ts';

/** Whose operations are tools: what an agent works with. The rest is for people and for programs of their own. */
const SUBJECTS = new Set([
  'requests',
  'tasks',
  'things',
  'agents',
  'messages',
  'approvals',
  'sessions',
  'projects',
  'merges',
  'progress',
]);

type Me = OutputOf<'whoami'>;

/** A tool of each operation, made of its row: `requests.submit` is `requests_submit`. Its answer is the operation's own. */
export const OPERATION_TOOLS: readonly (Tool & { readonly operation: Operation })[] = (
  Object.entries(OPERATIONS) as [OperationName, Operation][]
)
  .filter(([name]) => SUBJECTS.has(name.split('.')[0] ?? ''))
  .map(([name, operation]) => ({
    name: name.replaceAll('.', '_'),
    description: `${operation.summary}.`,
    input: operation.input,
    isReadOnly: operation.method === 'GET',
    operation,
    run: async (input, { client, signal }) => await client.call(name, input as InputOf<OperationName>, { signal }),
  }));

/** Whether a token may do it, so that it is shown the tool; the daemon checks each call all the same. */
export function isAllowed({ scope, isForAgents, isForCallers }: Operation, me: Me): boolean {
  if (me.callers !== null && !isForCallers) return false;
  // Every tool costs an agent a part of its context: it is shown what it works with as itself.
  if (me.agent !== null) return isForAgents === true;
  return SCOPES_THAT_SATISFY[scope].includes(me.scope);
}
