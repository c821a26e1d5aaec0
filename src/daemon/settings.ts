import type { z } from 'zod';
import type { PolicyRule } from '../contract/approval.ts';
import type { BackendSettings, Config, MergeSettings, ObserveSettings, PlannerSettings } from '../contract/config.ts';
import type { DEFAULTS } from '../contract/config-defaults.ts';
import { AppError } from '../contract/errors.ts';
import type { ContainerSettings } from '../contract/isolation.ts';
import type { LettaSettings } from '../contract/letta.ts';
import type { MatrixSettings } from '../contract/matrix.ts';
import type { WebhookSettings } from '../contract/webhook.ts';
import type { Settings } from '../engine/settings.ts';
import { readSmallFile } from './config-file.ts';
import { pathText } from './config-keys.ts';
import { build, type Leaf } from './config-layers.ts';

type Observe = z.infer<typeof ObserveSettings>;
type Container = z.infer<typeof ContainerSettings>;

/** What the engine gets, and beside it what only the daemon itself needs. */
export type DaemonSettings = Settings & {
  readonly backendSettings: Readonly<Record<string, BackendSettings>>;
  readonly models: { readonly deny: readonly string[]; readonly allowOnly: readonly string[] | null };
  /** Ages in ms. */
  readonly retention: { readonly [K in keyof (typeof DEFAULTS)['retention']]: number };
  readonly observe: { readonly [K in keyof Observe]-?: Exclude<Observe[K], undefined> };
  /** Of isolated agents. */
  readonly walls: { readonly reach: readonly string[]; readonly readable: readonly string[] };
  readonly container: { readonly [K in keyof Container]-?: Exclude<Container[K], undefined> };
  readonly port: number;
  readonly webhooks: Readonly<Record<string, WebhookSettings>>;
  /** Where spans go; null: nowhere. */
  readonly tracesEndpoint: string | null;
  readonly letta: LettaSettings | null;
  readonly matrix: MatrixSettings | null;
};

/** Sessions at once of a backend that says nothing about it. */
const MAX_SESSIONS = 20;
/** Time of the setup command, ms. */
const SETUP_TIMEOUT_MS = 600_000;

/** What the layers come to. @throws AppError bad_config for a name that does not exist, or a file that is not there */
export function toSettings(leaves: readonly Leaf[], projectPath: string | null): DaemonSettings {
  // Every layer was checked, and merging takes whole values: what comes out has the form of a Config with the defaults.
  const built = build(leaves) as Config & typeof DEFAULTS;
  const { backends, limits, setup, models } = built as Config & { limits: Settings['limits'] };
  const backendSettings: Readonly<Record<string, BackendSettings>> = backends ?? {};
  const entries = Object.entries(backendSettings).map(([id, { maxSessions, model }]) => {
    return [id, { maxSessions: maxSessions ?? MAX_SESSIONS, model: model ?? null }] as const;
  });
  checkNames(built, leaves, projectPath);
  return {
    defaultBackend: built.defaultBackend,
    defaultRole: built.defaultRole,
    backends: Object.fromEntries(entries),
    roles: built.roles,
    planner: { ...built.planner, instructions: instructionsOf(built.planner, leaves) },
    policy: { default: built.policy.default, rules: rulesOf(leaves) },
    limits: { ...limits, requestUsd: limits.requestUsd ?? null, taskUsd: limits.taskUsd ?? null },
    merge: mergeSettings(built.merge),
    delegation: built.delegation,
    isolation: built.isolation,
    setup: setup ? { command: setup.command, timeout: setup.timeout ?? SETUP_TIMEOUT_MS } : null,
    backendSettings,
    models: { deny: models?.deny ?? [], allowOnly: models?.allowOnly ?? null },
    budgets: (built as Config).budgets ?? {},
    prices: (built as Config).prices ?? null,
    retention: built.retention,
    observe: built.observe as DaemonSettings['observe'],
    walls: built.walls,
    container: built.container as DaemonSettings['container'],
    port: built.server.port,
    ...bridgeSettings(built),
  };
}

const mergeSettings = (given: MergeSettings & typeof DEFAULTS.merge): Settings['merge'] => ({
  ...given,
  target: given.target ?? null,
  remote: given.remote ?? null,
  gates: given.gates ?? [],
  reviewRole: given.reviewRole ?? null,
  reviewers: given.reviewers ?? null,
});

const bridgeSettings = ({ webhooks = {}, traces, letta, matrix }: Config) => ({
  webhooks,
  tracesEndpoint: traces?.endpoint ?? null,
  letta: letta ?? null,
  matrix: matrix ?? null,
});

/** The words that the prompt file adds to the planner's instructions. @throws AppError bad_config */
function instructionsOf({ promptFile }: PlannerSettings, leaves: readonly Leaf[]): string | null {
  if (promptFile === undefined) return null;
  const text = readSmallFile(promptFile);
  if (text !== null) return text;
  const source = leaves.find(({ path }) => pathText(path) === 'planner.promptFile')?.source;
  throw new AppError('bad_config', `${source}: planner.promptFile: there is no file ${promptFile}`);
}

const rulesOf = (leaves: readonly Leaf[]): Settings['policy']['rules'] =>
  leaves
    .filter(({ path }) => path[0] === 'policy' && path[1] === 'rules')
    .map(({ value, layer }) => ({ rule: value as PolicyRule, layer }));

/** Names that must exist elsewhere in the configuration. */
function checkNames(config: Config, leaves: readonly Leaf[], projectPath: string | null): void {
  const roles = Object.entries(config.roles ?? {});
  const refuse = (key: string, why: string, accepted: typeof roles): never => {
    const source = leaves.find(({ path }) => pathText(path) === key)?.source ?? projectPath ?? '';
    const names = accepted.map(([name]) => name).join(', ') || 'none so far';
    throw new AppError('bad_config', `${source}: ${key}: ${why} (accepted: ${names})`);
  };
  const role = config.defaultRole ?? '';
  if (!roles.some(([name]) => name === role)) refuse('defaultRole', `there is no role "${role}"`, roles);
  const reviewRole = config.merge?.reviewRole;
  const readers = roles.filter(([, { isReadOnly }]) => isReadOnly);
  if (reviewRole !== undefined && !readers.some(([name]) => name === reviewRole))
    refuse('merge.reviewRole', `there is no read-only role "${reviewRole}"`, readers);
}
