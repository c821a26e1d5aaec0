import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../base/log.ts';
import { redact } from '../base/redact.ts';
import type { BackendSettings, Config } from '../contract/config.ts';
import { DEFAULTS } from '../contract/config-defaults.ts';
import { AppError } from '../contract/errors.ts';
import type { ConfigValue } from '../contract/shapes.ts';
import { readConfigFile } from './config-file.ts';
import { configKeys, keysAt, pathText } from './config-keys.ts';
import { build, type Leaf, leavesOf, merge } from './config-layers.ts';
import type { Environment } from './environment.ts';
import { environmentLeaves } from './environment-layer.ts';
import { explainRole } from './explain-role.ts';
import { didYouMean } from './nearest.ts';
import { applyRights } from './project-settings.ts';
import { type DaemonSettings, toSettings } from './settings.ts';

export type ConfigOptions = {
  readonly home: string;
  readonly environment: Environment;
  /** From the command line; they win over everything. */
  readonly flags: readonly Leaf[];
  /** Whether the user trusts the project in this directory. */
  readonly isTrusted: (projectPath: string) => boolean;
  readonly log: Log;
};

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
