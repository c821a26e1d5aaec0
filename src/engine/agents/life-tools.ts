import type { Git } from '../../git/git.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import type { Queries } from '../queries.ts';
import type { Dispatcher } from '../scheduling/dispatch.ts';
import type { Probes } from '../scheduling/probes.ts';
import type { Loans } from './loans.ts';
import type { StandingAgents } from './standing.ts';
import type { WarmPool } from './warm-pool.ts';

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
