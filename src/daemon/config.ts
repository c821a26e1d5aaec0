import { statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { Log } from '../base/log.ts';
import { redact } from '../base/redact.ts';
import type { PolicyRule } from '../contract/approval.ts';
import {
  type BackendSettings,
  Config,
  type ContainerSettings,
  DEFAULTS,
  type MergeSettings,
  type ObserveSettings,
  type PlannerSettings,
} from '../contract/config.ts';
import { AppError } from '../contract/errors.ts';
import type { LettaSettings } from '../contract/letta.ts';
import type { MatrixSettings } from '../contract/matrix.ts';
import type { ConfigValue } from '../contract/shapes.ts';
import type { WebhookSettings } from '../contract/webhook.ts';
import type { Settings } from '../engine/settings.ts';
import { readConfigFile, readSmallFile } from './config-file.ts';
import { configKeys, keysAt, pathText } from './config-keys.ts';
import { build, type Leaf, leavesOf, merge } from './config-layers.ts';
import { type Environment, variable } from './environment.ts';
import { explainRole } from './explain-role.ts';
import { didYouMean } from './nearest.ts';
import { applyRights } from './project-settings.ts';

export type ConfigOptions = {
  readonly home: string;
  readonly environment: Environment;
  /** From the command line; they win over everything. */
  readonly flags: readonly Leaf[];
  /** Whether the user trusts the project in this directory. */
  readonly isTrusted: (projectPath: string) => boolean;
  readonly log: Log;
};

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

export const userConfigFile = (home: string): string => join(home, 'config.jsonc');
export const projectConfigFile = (projectPath: string): string => join(projectPath, '.gantry', 'config.jsonc');

type Cached = { readonly stamp: string; readonly leaves: readonly Leaf[] };

/** The files' layers. */
type Layers = { readonly user: readonly Leaf[]; readonly project: readonly Leaf[] | null; readonly isTrusted: boolean };

/** What was made of the layers of files, for as long as these are the same. */
type Made = { readonly from: readonly unknown[]; readonly checked: Checked };
type Checked = { readonly settings: DaemonSettings; readonly notices: readonly string[] };

/** The configuration, lowest layer first: built-in, user, project, environment, flag. Files are read again when they change. */
export class Configuration {
  readonly #options: ConfigOptions;
  readonly #builtIn: readonly Leaf[];
  readonly #environment: readonly Leaf[];
  readonly #files = new Map<string, Cached>();
  /** By project; '' is none. Asked for with every event: making it costs more than taking the event. */
  readonly #made = new Map<string, Made>();
  /** The last settings that were valid, by project; '' is none. */
  readonly #valid = new Map<string, DaemonSettings>();
  readonly #said = new Map<string | null, string>();

  /** @throws AppError bad_config for a variable that cannot be used */
  constructor(options: ConfigOptions) {
    this.#options = options;
    this.#builtIn = leavesOf(DEFAULTS as unknown as Config, 'built-in', 'built-in');
    this.#environment = environmentLeaves(options.environment);
  }

  /**
   * What holds for a project (null: for none). A file that becomes invalid while the daemon runs changes nothing until it
   * is repaired; the log says so, and `check` throws.
   * @throws AppError bad_config if it was never valid
   */
  readonly settingsFor = (projectPath: string | null): DaemonSettings => {
    try {
      const { settings, notices } = this.check(projectPath);
      this.#valid.set(projectPath ?? '', settings);
      this.#say(projectPath, notices.join('\n'));
      return settings;
    } catch (error) {
      const last = this.#valid.get(projectPath ?? '');
      if (!(error instanceof AppError) || error.code !== 'bad_config' || !last) throw error;
      this.#say(projectPath, `the last valid configuration still holds: ${error.message}`);
      return last;
    }
  };

  /** The settings that hold only from the next start on, because they have changed since this one. */
  changedSince({ backendSettings, port }: DaemonSettings): string[] {
    const now = this.settingsFor(null);
    const ids = [...new Set([...Object.keys(backendSettings), ...Object.keys(now.backendSettings)])];
    return [
      ...ids
        .filter((id) => !isDeepStrictEqual(atStart(backendSettings[id]), atStart(now.backendSettings[id])))
        .map((id) => `backends.${id}`),
      ...(now.port === port ? [] : ['server.port']),
    ];
  }

  /** Logs what is new to say about a project's configuration. */
  #say(projectPath: string | null, text: string): void {
    if (text !== '' && this.#said.get(projectPath) !== text) this.#options.log.warn({ project: projectPath }, text);
    this.#said.set(projectPath, text);
  }

  /** The settings and what of the project's file does not hold. @throws AppError bad_config */
  check(projectPath: string | null): Checked {
    const layers = this.#layersFor(projectPath);
    const from = Object.values(layers);
    const made = this.#made.get(projectPath ?? '');
    if (made?.from.every((part, i) => part === from[i])) return made.checked;
    const { leaves, notices } = this.#leavesOf(layers);
    const checked = { settings: toSettings(leaves, projectPath), notices };
    // The text of that file is in the settings, and may change without the others.
    const isWhole = !leaves.some(({ path }) => pathText(path) === 'planner.promptFile');
    if (isWhole) this.#made.set(projectPath ?? '', { from, checked });
    else this.#made.delete(projectPath ?? '');
    return checked;
  }

  /**
   * Every value, or those at and below `key`, with the layer that won. Secrets are masked.
   * @throws AppError bad_config, usage for a key that does not exist
   */
  explain(key: string | undefined, projectPath: string | null): ConfigValue[] {
    const { leaves } = this.#leavesOf(this.#layersFor(projectPath));
    const rows = leaves.map(explainLeaf);
    if (key === undefined) return rows;
    const roles = Object.keys((build(leaves) as Config).roles ?? {});
    if (roles.includes(key)) return explainRole(rows, key);
    const found = rows.filter(
      (row) => row.key === key || row.key.startsWith(`${key}.`) || row.key.startsWith(`${key}[`),
    );
    if (found.length > 0) return found;
    const known = configKeys();
    if (known.some((path) => isAt(key.split('.'), path))) {
      return [{ key, value: null, layer: 'built-in', source: 'not set' }];
    }
    const names = [
      ...new Set([...known.map((path) => path.join('.')), ...rows.map((row) => row.key), ...roles, 'credentials']),
    ];
    throw new AppError('usage', `there is no setting "${key}"${didYouMean(key, names)}`, {
      details: { accepted: siblingsOf(key, [...roles, 'credentials']) },
    });
  }

  #layersFor(projectPath: string | null): Layers {
    const { home, isTrusted } = this.#options;
    const user = this.#fileLeaves(userConfigFile(home), 'user', home);
    if (projectPath === null) return { user, project: null, isTrusted: false };
    const project = this.#fileLeaves(projectConfigFile(projectPath), 'project', projectPath);
    return { user, project, isTrusted: isTrusted(projectPath) };
  }

  #leavesOf({ user, project, isTrusted }: Layers): {
    readonly leaves: readonly Leaf[];
    readonly notices: readonly string[];
  } {
    const { flags } = this.#options;
    if (project === null) return { leaves: merge([this.#builtIn, user, this.#environment, flags]), notices: [] };
    const below = merge([this.#builtIn, user]);
    const { kept, notices } = applyRights(project, below, isTrusted);
    return { leaves: merge([below, kept, this.#environment, flags]), notices };
  }

  #fileLeaves(file: string, layer: 'user' | 'project', base: string): readonly Leaf[] {
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
    const stamp = stat ? `${stat.ino}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}` : '';
    const cached = this.#files.get(file);
    if (cached && cached.stamp === stamp) return cached.leaves;
    const config = readConfigFile(file);
    const leaves = leavesOf(config ?? {}, layer, file).map((leaf) => withBase(leaf, base));
    this.#files.set(file, { stamp, leaves });
    return leaves;
  }
}

/** A file's relative paths start at its project or home, wherever the daemon runs. */
const withBase = (leaf: Leaf, base: string): Leaf =>
  pathText(leaf.path) === 'planner.promptFile' ? { ...leaf, value: resolve(base, String(leaf.value)) } : leaf;

/** What of a backend's settings is read once; the rest holds at once. */
const atStart = (settings: BackendSettings | undefined): BackendSettings | null =>
  settings ? { ...settings, maxSessions: undefined, model: undefined } : null;

/** What may stand at the last place of a key that does not exist, or as near to it as the key is right. */
function siblingsOf(key: string, alsoAtTop: readonly string[]): readonly string[] {
  const above = key.split('.').slice(0, -1);
  while (above.length > 0 && keysAt(above).length === 0) above.pop();
  return above.length === 0 ? [...keysAt([]), ...alsoAtTop] : keysAt(above).map((name) => [...above, name].join('.'));
}

function toSettings(leaves: readonly Leaf[], projectPath: string | null): DaemonSettings {
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

function explainLeaf({ path, value, layer, source }: Leaf): ConfigValue {
  const isSecret = path[0] === 'backends' && path[2] === 'env';
  // The paths of chat hooks are passwords.
  const isHook = path[0] === 'webhooks' && path[2] === 'url';
  // These are names of variables.
  const isName = (path[0] === 'webhooks' && path[2] === 'secret') || pathText(path) === 'matrix.token';
  const masked = isName ? value : redact({ [String(path.at(-1))]: value })[String(path.at(-1))];
  const shown = isHook ? new URL(String(value)).origin : masked;
  return { key: pathText(path), value: isSecret ? '[set]' : shown, layer, source };
}

const isAt = (asked: readonly string[], path: readonly string[]): boolean =>
  asked.length <= path.length && asked.every((part, i) => path[i] === '*' || path[i] === part);

const text = (value: string): unknown => value;
const number = (value: string): unknown => (value.trim() === '' ? Number.NaN : Number(value));
const absolute = (value: string): unknown => (isAbsolute(value) ? value : undefined);

/** Variables that are settings. */
const VARIABLES: Readonly<
  Record<string, { path: [string, ...string[]]; read: (value: string) => unknown; form: string }>
> = {
  GANTRY_PORT: { path: ['server', 'port'], read: number, form: 'a whole number from 0 to 65535' },
  GANTRY_OPENCODE_URL: {
    path: ['backends', 'opencode', 'url'],
    read: text,
    form: 'a URL such as http://127.0.0.1:4096',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    path: ['traces', 'endpoint'],
    read: text,
    form: 'a URL such as http://127.0.0.1:4318',
  },
  MAX_CONCURRENT_TASKS: { path: ['limits', 'maxParallel'], read: number, form: 'a whole number from 1' },
  MAX_QUEUED_TASKS: { path: ['delegation', 'maxQueued'], read: number, form: 'a whole number from 1' },
  RUNNER_TIMEOUT_MS: { path: ['delegation', 'timeout'], read: number, form: 'milliseconds' },
  MAX_TASK_FILE_SIZE: { path: ['delegation', 'maxFileBytes'], read: number, form: 'bytes, a whole number from 1' },
  GANTRY_PLANNER_MODEL: { path: ['planner', 'model'], read: text, form: 'provider/model' },
  GANTRY_PLANNER_ENDPOINT: { path: ['planner', 'endpoint'], read: text, form: 'a URL' },
  GANTRY_PLANNER_TEMPERATURE: { path: ['planner', 'temperature'], read: number, form: 'a number from 0 to 2' },
  GANTRY_PLANNER_PROMPT_FILE: { path: ['planner', 'promptFile'], read: absolute, form: 'an absolute path' },
};

function environmentLeaves(environment: Environment): Leaf[] {
  return Object.entries(VARIABLES).flatMap(([name, { path, read, form }]) => {
    const given = variable(environment, name);
    if (given === undefined) return [];
    const value = read(given);
    const config = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
    if (value === undefined || !Config.safeParse(config).success) {
      throw new AppError('bad_config', `${name}: "${redact(given)}" cannot be used: expected ${form}`, {
        details: { variable: name, expected: form },
      });
    }
    return [{ path, value, layer: 'environment' as const, source: name }];
  });
}
