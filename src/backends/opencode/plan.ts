import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Access, Host } from '../../hosts/host.ts';
import type { BackendContext, OpenSpec, PermissionProfile } from '../backend.ts';
import { contextFor } from '../isolated.ts';
import { privateHome } from '../private-home.ts';
import { permissionsOf } from './permissions.ts';
import { PLUGIN_SOURCE } from './plugin.ts';

/** What decides which server a session runs on: sessions whose plans have the same key share one. */
export type LaunchPlan = {
  readonly key: string;
  readonly command: readonly [string, ...string[]];
  readonly host: Host;
  /** The backend's, or of an isolated workspace its own. */
  readonly home: string;
  readonly access: Access;
  readonly profile: 'user' | 'private';
  readonly paths: Paths;
  /** Without the password and what names the one server's own directory. */
  readonly env: Readonly<Record<string, string>>;
  /** The configuration but for Gantry's plugin. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What the agent's shell has instead of the server's own values. */
  readonly shell: Readonly<Record<string, string>>;
  /** Variables that must not be seen by what the agent starts. */
  readonly blank: readonly string[];
};

export type Paths = {
  /** Of the project: database, and with the private profile everything that is a home's. */
  readonly base: string;
  readonly database: string;
  readonly plugin: string;
  readonly models: string;
};

/** Of the variables that the settings give to the program, those with such names are the program's alone. */
const SECRET_NAME = /(key|token|secret|password|passwd|credentials?)$/i;
/** The daemon may be started from another terminal next time; that makes no other server. */
const OF_TERMINAL = /^(TERM|LANG|LANGUAGE|LC_\w+)$/;
const SECRET_VARIABLES = ['OPENCODE_SERVER_PASSWORD', 'OPENCODE_CONFIG_CONTENT', 'OPENCODE_DB', 'OPENCODE_TEST_HOME'];
/** The switches of a server that reaches nothing and reads nothing of the user's (opencode-ai 1.18.33). */
const PRIVATE_SWITCHES = [
  'OPENCODE_DISABLE_MODELS_FETCH',
  'OPENCODE_DISABLE_DEFAULT_PLUGINS',
  'OPENCODE_DISABLE_CLAUDE_CODE',
  'OPENCODE_DISABLE_EXTERNAL_SKILLS',
];
const SWITCHES = ['OPENCODE_DISABLE_AUTOUPDATE', 'OPENCODE_DISABLE_LSP_DOWNLOAD'];

/** The server that a session needs. Pure. */
export function planOf(
  spec: Pick<OpenSpec, 'project' | 'profile' | 'isolated'> & Partial<Pick<OpenSpec, 'directory'>>,
  ofBackend: BackendContext,
): LaunchPlan {
  const { project, profile, isolated, directory } = spec;
  const context = contextFor(spec, ofBackend);
  const { settings, environment, home, host } = context;
  const kind = settings.profile ?? 'user';
  const paths = pathsOf(home, project.id);
  const [program = 'opencode', ...args] = settings.command ?? [];
  const command = [program, ...args, 'serve', '--port', '0', '--hostname', '127.0.0.1'] as const;
  const own = settings.env ?? {};
  const isOwnModels = kind === 'private' && settings.config?.provider !== undefined;
  const switches = [
    ...SWITCHES,
    ...(kind === 'private' ? PRIVATE_SWITCHES : []),
    ...(project.isTrusted ? [] : ['OPENCODE_DISABLE_PROJECT_CONFIG']),
  ];
  const env = {
    ...environment,
    ...own,
    ...(kind === 'private' ? privateHome(paths.base) : {}),
    ...Object.fromEntries(switches.map((name) => [name, '1'])),
    // With it every built-in model is unknown: only for a configuration that brings its own.
    ...(isOwnModels ? { OPENCODE_MODELS_PATH: paths.models } : {}),
    OPENCODE_DB: paths.database,
  };
  const blank = [...SECRET_VARIABLES, ...Object.keys(own).filter((name) => SECRET_NAME.test(name))];
  const shell = shellOf(env, blank, kind);
  const config = configOf(profile, context);
  const plugin = [PLUGIN_SOURCE, shell];
  const telling = Object.entries(env).filter(([name]) => !OF_TERMINAL.test(name));
  const key = hash({ command, kind, project: [project.id, project.isTrusted], env: telling, config, plugin });
  const access = { writable: isolated && directory !== undefined ? [home, directory] : [home], readable: [] };
  return { key, command, host, home, access, profile: kind, paths, env, config, shell, blank };
}

/** The whole configuration, for OPENCODE_CONFIG_CONTENT. `sessions`: where the plugin finds a file for each session. */
export function fullConfig({ config, paths, shell }: LaunchPlan, sessions: string): Readonly<Record<string, unknown>> {
  const own = Array.isArray(config.plugin) ? (config.plugin as unknown[]) : [];
  const options = { sessions, shell, permission: config.permission };
  return { ...config, plugin: [...own, [pathToFileURL(paths.plugin).href, options]] };
}

function configOf(profile: PermissionProfile, { settings }: BackendContext): Readonly<Record<string, unknown>> {
  const { config = {}, model } = settings;
  return {
    // Gantry takes its own; OpenCode's double the time of a turn.
    snapshot: false,
    ...(model === undefined ? {} : { model }),
    ...config,
    autoupdate: false,
    share: 'disabled',
    permission: permissionsOf(profile),
  };
}

function shellOf(
  env: Readonly<Record<string, string>>,
  blank: readonly string[],
  kind: 'user' | 'private',
): Readonly<Record<string, string>> {
  const blanks = Object.fromEntries(blank.map((name) => [name, '']));
  return kind === 'private' ? blanks : { ...blanks, XDG_CONFIG_HOME: userConfigHome(env) };
}

/** Where the user's programs look for their configuration. */
export const userConfigHome = (env: Readonly<Record<string, string>>): string =>
  env.XDG_CONFIG_HOME || join(env.HOME ?? '/', '.config');

function pathsOf(home: string, projectId: string): Paths {
  const name = /^[\w-]{1,64}$/.test(projectId) ? projectId : hash(projectId).slice(0, 32);
  const base = join(home, 'projects', name);
  return {
    base,
    database: join(base, 'opencode.db'),
    plugin: join(home, `plugin-${hash(PLUGIN_SOURCE).slice(0, 12)}.mjs`),
    models: join(home, 'models.json'),
  };
}

const hash = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
