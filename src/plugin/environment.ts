import { z } from 'zod';
import { PLUGIN_MODES, type PluginMode } from '../contract/plugin.ts';

/** What the plugin was told by its process and by its entry in OpenCode's configuration. */
export type PluginSettings = {
  /** Null: Gantry's configuration says it. */
  readonly mode: PluginMode | null;
  /** Why the plugin stays off, for the person; null if it does not. */
  readonly problem: string | null;
  /** Gantry's home; null if nobody named it. */
  readonly home: string | null;
  readonly url: string | null;
  readonly token: string | null;
  readonly sourceApp: string;
  /** Gantry has started this OpenCode. */
  readonly isGantryMade: boolean;
  readonly kind: 'tui' | 'cli' | 'server';
  readonly isReasoningTold: boolean;
};

type Variables = Readonly<Record<string, string | undefined>>;

const Options = z.object({ home: z.string() }).partial();
/** OpenCode's commands without a terminal of their own. */
const SERVERS = new Set(['serve', 'web', 'acp', 'attach']);
const OFF = new Set(['', '0', 'false', 'no', 'off']);

/** Reads the process that OpenCode runs in. */
export function readSettings(options: unknown): PluginSettings {
  return settingsFrom(options, process.env, process.argv);
}

/** Pure. */
export function settingsFrom(options: unknown, variables: Variables, argv: readonly string[]): PluginSettings {
  const given = (name: string): string | null => variables[name] || null;
  const { home } = Options.safeParse(options).data ?? {};
  const said = modeFrom(variables);
  const url = given('GANTRY_URL');
  // A session that Gantry has made is its own work: it is looked at, and never planned again.
  const isGantryMade = given('GANTRY_ATTEMPT') !== null || given('GANTRY_SPAWN') !== null;
  const mode = isGantryMade && said.mode !== 'off' ? 'observe' : said.mode;
  const [, , command = ''] = argv;
  return {
    mode: said.problem === null ? mode : 'off',
    problem: said.problem ?? (mode === 'off' ? null : proxyProblem(variables)),
    home: given('GANTRY_HOME') ?? home ?? null,
    url,
    token: given('GANTRY_TOKEN'),
    sourceApp: given('GANTRY_SOURCE_APP') ?? 'opencode',
    isGantryMade,
    kind: command === 'run' ? 'cli' : SERVERS.has(command) ? 'server' : 'tui',
    isReasoningTold: isOn(variables.GANTRY_PLUGIN_REASONING),
  };
}

function modeFrom(variables: Variables): { readonly mode: PluginMode | null; readonly problem: string | null } {
  const given = variables.GANTRY_PLUGIN_MODE || undefined;
  if (given !== undefined) {
    const mode = PLUGIN_MODES.find((one) => one === given) ?? null;
    const problem = `GANTRY_PLUGIN_MODE is "${given}"; accepted: ${PLUGIN_MODES.join(', ')}`;
    return { mode, problem: mode === null ? problem : null };
  }
  if (isOn(variables.GANTRY_AUTO_EXECUTE)) return { mode: 'execute', problem: null };
  return { mode: isOn(variables.GANTRY_AUTO_PLAN) ? 'plan' : null, problem: null };
}

const isOn = (value: string | undefined): boolean => value !== undefined && !OFF.has(value.toLowerCase());

/**
 * Bun's fetch (1.3.14, in opencode-ai 1.18.33) asks the proxy for loopback addresses too, unless it is told not to: the
 * proxy would get the events with their token.
 */
function proxyProblem(variables: Variables): string | null {
  const proxy = variables.http_proxy || variables.HTTP_PROXY;
  if (!proxy) return null;
  const excepted = (variables.no_proxy || variables.NO_PROXY || '').split(',').map((name) => name.trim());
  if (excepted.includes('127.0.0.1') || excepted.includes('*')) return null;
  return 'http_proxy is set: for OpenCode to reach Gantry and not the proxy, put 127.0.0.1 into NO_PROXY';
}
