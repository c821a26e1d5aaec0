import type { PolicyRule } from '../contract/approval.ts';
import type { Config, Gate, PlannerSettings, RoleSettings } from '../contract/config.ts';
import { toAppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import type { Isolation } from '../contract/isolation.ts';

/** A rule with where it came from: `built-in`, `user`, `project`. */
export type PlacedRule = { readonly rule: PolicyRule; readonly layer: string };

/** The configuration that holds for one project: every layer merged, every default filled in. Lengths of time in ms. */
export type Settings = {
  readonly defaultBackend: BackendId;
  readonly defaultRole: string;
  readonly backends: Readonly<Record<string, { readonly maxSessions: number; readonly model: string | null }>>;
  readonly roles: Readonly<Record<string, RoleSettings>>;
  readonly planner: PlannerSettings & {
    readonly maxTasks: number;
    readonly timeout: number;
    /** The words of `promptFile`, added to the planner's own. */
    readonly instructions?: string | null;
  };
  readonly policy: { readonly default: 'allow' | 'deny' | 'ask'; readonly rules: readonly PlacedRule[] };
  readonly budgets?: NonNullable<Config['budgets']>;
  readonly prices?: NonNullable<Config['prices']> | null;
  readonly limits: {
    readonly maxParallel: number;
    readonly maxPerProject: number;
    readonly memoryReserve: number;
    readonly maxAttempts: number;
    readonly verifyRounds: number;
    readonly taskTimeout: number;
    readonly approvalTimeout: number;
    readonly commandTimeout: number;
    readonly retryBackoff: number;
    readonly stuckAfter: number;
    readonly hungAfter: number;
    readonly requestUsd: number | null;
    readonly taskUsd: number | null;
    readonly maxWorkspacesPerProject: number;
    readonly nodeLease: number;
  };
  readonly merge: {
    readonly isAuto: boolean;
    readonly target: string | null;
    readonly remote: string | null;
    readonly strategy: 'merge' | 'squash';
    readonly gates: readonly Gate[];
    readonly maxBatch: number;
    readonly batchWait: number;
    readonly maxRetries: number;
    readonly approvals: number;
    readonly reviewRole: string | null;
    readonly reviewers: number | null;
    readonly reviewTimeout: number;
  };
  readonly delegation: {
    readonly maxQueued: number;
    readonly timeout: number;
    readonly maxFileBytes: number;
    readonly deniedFiles: readonly string[];
  };
  /** Entries are `provider/model` or bare ids; `allowOnly` null allows all. */
  readonly models?: { readonly deny: readonly string[]; readonly allowOnly: readonly string[] | null };
  /** At least that for every agent. */
  readonly isolation: Isolation;
  readonly setup: { readonly command: string; readonly timeout: number } | null;
};

/** The settings for a project's directory, or for none. @throws AppError `bad_config` */
export type SettingsFor = (projectPath: string | null) => Settings;

/** The settings of a project, or in words why they cannot be read: then nothing starts there, and the others go on. */
export function settingsOrCause(settingsFor: SettingsFor, projectPath: string): Settings | string {
  try {
    return settingsFor(projectPath);
  } catch (error) {
    return `the settings of ${projectPath} cannot be read: ${toAppError(error).message}`;
  }
}

/** Why nothing starts in a project; null if its settings can be read. */
export function settingsProblem(settingsFor: SettingsFor, projectPath: string): string | null {
  const found = settingsOrCause(settingsFor, projectPath);
  return typeof found === 'string' ? found : null;
}

/** What holds for all where the settings of a project cannot be read: for what only counts or tells. */
export function settingsOrUsual(settingsFor: SettingsFor, projectPath: string | null): Settings {
  const found = projectPath === null ? null : settingsOrCause(settingsFor, projectPath);
  return found === null || typeof found === 'string' ? settingsFor(null) : found;
}
