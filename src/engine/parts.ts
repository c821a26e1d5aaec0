import type { Backend } from '../backends/backend.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Attempt } from '../contract/attempt.ts';
import type { BackendId } from '../contract/ids.ts';
import type { Isolation } from '../contract/isolation.ts';
import type { Host } from '../hosts/host.ts';
import type { Store } from '../store/store.ts';
import type { PlanAsk } from './planning/planner.ts';
import type { SettingsFor } from './settings.ts';

/** What the engine works with; made once by the daemon. */
export type Parts = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Host;
  /** Where programs run behind such walls. @throws AppError `isolation_missing` with the cause: there is no weaker one instead */
  readonly hostFor: (isolation: Isolation) => Promise<Host>;
  readonly backends: ReadonlyMap<BackendId, Backend>;
  readonly settingsFor: SettingsFor;
  /**
   * Throws what is wrong with a project's configuration now, where `settingsFor` goes on with the last that was valid:
   * running work is not stopped by a slip in a file, new work is.
   */
  readonly checkSettings?: (projectPath: string) => void;
  /** Asks the planner's own model directly; null when the configuration names none: then a backend's model plans. */
  readonly askPlannerModel: ((projectPath: string) => PlanAsk | null) | null;
  /** The daemon's own, of which git takes what it needs. */
  readonly gitEnvironment: Readonly<Record<string, string | undefined>>;
  /** Allow-listed variables for setup and verification commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** Made by the daemon for one agent: its address and a token scoped to it; `attempt` null: without a task. */
  readonly agentEnvironment: (
    agent: string,
    roleEnv: readonly string[],
    attempt: Pick<Attempt, 'id' | 'requestId'> | null,
  ) => Readonly<Record<string, string>>;
  /** `$GANTRY_HOME/workspaces`. */
  readonly workspaces: string;
  /** Bytes that new programs could use; null where it is not known. */
  readonly freeMemory: () => number | null;
  /** In [0, 1); tests hand in their own. */
  readonly random: () => number;
};
