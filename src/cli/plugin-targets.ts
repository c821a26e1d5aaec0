import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Environment, variable } from '../daemon/environment.ts';
import { hookCommand, hookScriptOf } from '../daemon/hook-script.ts';
import { hookTokenFileOf, opencodeFiles, pluginFileOf, readPersonsFile } from '../daemon/plugin-files.ts';
import { type ListItem, listEdit } from './jsonc-edit.ts';
import type { Edit } from './users-file.ts';

export const AGENTS = ['opencode', 'claude'] as const;
export type Agent = (typeof AGENTS)[number];

export type Place = {
  readonly environment: Environment;
  readonly home: string;
  /** Null: for all projects of the person. */
  readonly project: string | null;
};

/** The file that is edited for an agent: the first that exists, else the last. */
export function targetFile(agent: Agent, { environment, project }: Omit<Place, 'home'>): string {
  const candidates = agent === 'opencode' ? opencodeFiles(environment, project) : [claudeFile(environment, project)];
  return candidates.find((file) => existsSync(file)) ?? candidates.at(-1) ?? '';
}

/** A command with a path of this machine belongs in the settings that are not shared. */
function claudeFile(environment: Environment, project: string | null): string {
  if (project !== null) return join(project, '.claude', 'settings.local.json');
  const config = variable(environment, 'CLAUDE_CONFIG_DIR') ?? join(userHome(environment), '.claude');
  return join(config, 'settings.json');
}

const userHome = (environment: Environment): string => variable(environment, 'HOME') ?? homedir();

/** What is put into an agent's configuration file. `daemonUrl`: Claude Code calls the daemon there, where it can. */
export const editFor = (agent: Agent, home: string, file: string, daemonUrl: string | null = null): Edit =>
  agent === 'opencode' ? opencodeEdit(home, file) : claudeEdit(home, file, daemonUrl);

function opencodeEdit(home: string, file: string): Edit {
  const url = pathToFileURL(pluginFileOf(home)).href;
  const isOurs = (item: unknown): boolean => item === url || (Array.isArray(item) && item[0] === url);
  return listEdit([{ path: ['plugin'], item: [url, { home }] }], isOurs, file);
}

/** The events of Claude Code 2.1 that are worth telling; each costs its caller some milliseconds. */
const CLAUDE_EVENTS = [
  'SessionStart',
  'UserPromptSubmit',
  'PreToolUse',
  'PostToolUse',
  'PostToolUseFailure',
  'PermissionRequest',
  'Notification',
  'SubagentStart',
  'SubagentStop',
  'Stop',
  'StopFailure',
  'PreCompact',
  'PostCompact',
  'SessionEnd',
];
/** Seconds. Far more than it takes: a machine under load must not lose its events. */
const HOOK_LIMIT_S = 10;
/** Claude Code waits for the answer of an HTTP hook. */
const HTTP_LIMIT_S = 2;
/** The name of the events, unless the command hook is told another. */
export const CLAUDE_SOURCE = 'claude-code';
/** Claude Code 2.1.329 sends it by no HTTP hook. */
const BY_COMMAND_ONLY = 'SessionStart';

function claudeEdit(home: string, file: string, daemonUrl: string | null): Edit {
  const token = hookToken(home);
  const command = { type: 'command', command: hookCommand(home), timeout: HOOK_LIMIT_S };
  const http = {
    type: 'http',
    url: `${daemonUrl}/in/${token}/hook?source_app=${CLAUDE_SOURCE}`,
    timeout: HTTP_LIMIT_S,
  };
  const items = CLAUDE_EVENTS.map((event): ListItem => {
    const isHttp = daemonUrl !== null && event !== BY_COMMAND_ONLY;
    return { path: ['hooks', event], item: { hooks: [isHttp ? http : command] } };
  });
  const marks = [JSON.stringify(hookScriptOf(home)).slice(1, -1), ...(token === null ? [] : [`/in/${token}/`])];
  return listEdit(items, (one) => marks.some((mark) => JSON.stringify(one).includes(mark)), file);
}

/** Of the HTTP hooks of this home; null if there never were any. */
const hookToken = (home: string): string | null => readPersonsFile(hookTokenFileOf(home))?.trim() ?? null;

/** Whether a text holds HTTP hooks of this home, to this daemon if one is named. */
export function hasHttpHooks(home: string, text: string, daemonUrl = ''): boolean {
  const token = hookToken(home);
  return token !== null && text.includes(`${daemonUrl}/in/${token}/`);
}
