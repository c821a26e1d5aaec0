import type { Git } from '../git/git.ts';
import type { Dispatcher } from './dispatch.ts';
import type { Loans } from './loans.ts';
import type { Probes } from './probes.ts';
import type { Queries } from './queries.ts';
import type { StandingAgents } from './standing.ts';
import type { WarmPool } from './warm-pool.ts';
import type { Workspaces } from './workspace.ts';

/** What the life cycle of an agent needs of the engine. */
export type LifeTools = {
  readonly git: Git;
  readonly probes: Probes;
  readonly dispatcher: Dispatcher;
  readonly standing: StandingAgents;
  readonly loans: Loans;
  readonly pool: WarmPool;
  readonly queries: Queries;
  readonly workspaces: Workspaces;
};
