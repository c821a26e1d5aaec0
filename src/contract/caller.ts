import type { CallerId } from './delegation.ts';
import type { AgentAddress } from './ids.ts';
import type { Scope } from './shapes.ts';

/** Who calls: what the token said. An agent's own token names its agent and may never answer an approval. */
export type Caller = {
  /** `person`, `token:<name>`, `agent:<address>`: written into facts. */
  readonly actor: string;
  readonly scope: Scope;
  readonly agent: AgentAddress | null;
  /** The token; absent for Gantry itself. What a caller may call its own goes by it. */
  readonly tokenId?: string;
  /** Bound to these callers of delegated tasks; absent or null: to none. */
  readonly callers?: readonly CallerId[] | null;
};

export const GANTRY: Caller = { actor: 'gantry', scope: 'admin', agent: null };
