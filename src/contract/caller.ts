import type { AgentAddress } from './ids.ts';
import type { Scope } from './shapes.ts';

/** Who calls: what the token said. An agent's own token names its agent and may never answer an approval. */
export type Caller = {
  /** `person`, `token:<name>`, `agent:<address>`: written into facts. */
  readonly actor: string;
  readonly scope: Scope;
  readonly agent: AgentAddress | null;
};

export const GANTRY: Caller = { actor: 'gantry', scope: 'admin', agent: null };
