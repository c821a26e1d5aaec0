import type { OperationName, OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';

/** One function per operation of the contract: a row without one does not compile. */
export type Handlers = {
  readonly [N in OperationName]: (input: ParsedInputOf<N>, caller: Caller) => Promise<OutputOf<N>> | OutputOf<N>;
};
