import { randomUUID } from 'node:crypto';
import { realpathSync, rmSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../../contract/errors.ts';
import type { BackendContext, BackendSession, McpServer, OpenSpec } from '../backend.ts';
import { MAX_LINE_BYTES } from './connection.ts';
import { whyNotResumed } from './resume.ts';
import { type Places, removedTools } from './tools.ts';

/** One start of the program, ready to be made. */
export type Launch = {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly maxLineBytes: number;
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly configDirectory: string;
  readonly places: Places;
  /** The start's own directory, which ends with it: the MCP configuration and what the program keeps for a while. */
  readonly own: string;
};

/** The program's switches for every start: nothing changes it under us, and its turns end when its work does. */
const SWITCHES = {
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: '1',
  // Sub-agents and commands are waited for: at the end of a turn nothing goes on unseen.
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
};
/** With a home of its own it reaches nothing but its model. */
const PRIVATE_SWITCHES = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_BUG_COMMAND: '1',
};
/** Other sessions of this configuration may not start turns here; transcripts are kept. */
const SETTINGS = { crossSessionInbound: 'refuse', cleanupPeriodDays: 3650 };
/** Of the variables that the settings give to the program, those with such names are not for what the agent runs. */
const SECRET_NAME = /(key|token|secret|password|passwd|credentials?)$/i;
const MAX_TITLE_CHARS = 80;
const MCP_FILE = 'mcp.json';

/** @throws AppError `backend_failed`, `unsupported`, `conflict` if somebody else has the session open */
export async function launchOf(spec: OpenSpec, context: BackendContext): Promise<Launch> {
  const { home, settings } = context;
  const found = await stat(spec.directory).catch(() => null);
  if (!found?.isDirectory()) throw new AppError('backend_failed', `there is no directory ${spec.directory}`);
  const env = environmentOf(spec, context);
  const configDirectory = configDirectoryIn(env);
  if (settings.profile === 'private') {
    for (const path of [configDirectory, env.HOME ?? configDirectory])
      await mkdir(path, { recursive: true, mode: 0o700 });
  }
  const reason = await whyNotResumed(spec, configDirectory);
  const from = reason === null ? spec.from : ({ type: 'new' } as const);
  const nativeId = from.type === 'resume' ? from.nativeId : randomUUID();
  const own = ownDirectory(home);
  const options = argumentsOf(spec, context, own);
  const variables = await makeOwn(own, spec.mcp, settings.env ?? {});
  return {
    command: [...commandOf(context), ...HEADLESS, ...options, ...identityOf(from, nativeId, spec.title)],
    cwd: spec.directory,
    env: { ...env, ...variables },
    maxLineBytes: MAX_LINE_BYTES,
    nativeId,
    origin: reason === null ? { type: ORIGINS[from.type] } : { type: 'new-instead', reason },
    configDirectory,
    places: placesOf(spec.directory, own, configDirectory, nativeId),
    own,
  };
}

const ORIGINS = { new: 'new', resume: 'resumed', fork: 'forked' } as const;

export const configDirectoryIn = (env: Readonly<Record<string, string>>): string =>
  env.CLAUDE_CONFIG_DIR ?? join(env.HOME ?? '/', '.claude');

/** Of one start alone. Short: sockets are made below it, whose paths may have 107 characters. */
export const ownDirectory = (home: string): string => join(home, 'run', randomUUID().slice(0, 8));

export const discard = ({ own }: Launch): void => rmSync(own, { recursive: true, force: true });

/** The program and its first arguments. */
export function commandOf({ settings }: BackendContext): readonly [string, ...string[]] {
  const [program = 'claude', ...args] = settings.command ?? [];
  return [program, ...args];
}

/** Nothing is inherited: the daemon's list, what settings and spec add, the program's switches. */
export function environmentOf(
  { env }: Pick<OpenSpec, 'env'>,
  { environment, settings, home }: BackendContext,
): Readonly<Record<string, string>> {
  const isPrivate = settings.profile === 'private';
  return {
    ...environment,
    ...(isPrivate ? PRIVATE_SWITCHES : {}),
    ...settings.env,
    ...env,
    ...(isPrivate ? { HOME: join(home, 'home'), CLAUDE_CONFIG_DIR: join(home, 'config') } : {}),
    ...SWITCHES,
  };
}

/** With Gantry at its stdio. */
const HEADLESS = [
  ...['--print', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'],
  '--include-partial-messages',
  ...['--permission-prompt-tool', 'stdio'],
];

/** What holds for every start, whoever is at the other end. @throws AppError `unsupported` */
export function argumentsOf(spec: OpenSpec, { settings }: BackendContext, own: string): string[] {
  const model = modelOf(spec.model ?? settings.model ?? null);
  return [
    ...['--permission-mode', 'default'],
    // There is no trust dialog: hooks and servers of an untrusted repository would run.
    ...['--setting-sources', spec.project.isTrusted ? 'user,project,local' : 'user'],
    ...['--strict-mcp-config', '--mcp-config', join(own, MCP_FILE)],
    ...['--settings', JSON.stringify(SETTINGS)],
    ...['--disallowedTools', removedTools(spec.profile).join(',')],
    // Else a resumed session would go on with the instructions of its first start.
    ...['--system-prompt-snapshot', 'off'],
    ...(model === null ? [] : [`--model=${model}`]),
  ];
}

function identityOf(from: OpenSpec['from'], nativeId: string, title: string): string[] {
  if (from.type === 'resume') return ['--resume', nativeId];
  const fork = from.type === 'fork' ? ['--resume', from.nativeId, '--fork-session'] : [];
  const name = title.replaceAll(/\s+/g, ' ').slice(0, MAX_TITLE_CHARS);
  return [...fork, '--session-id', nativeId, `--name=${name}`];
}

/** `anthropic/<model>`, or a name as the program itself takes it. @throws AppError `unsupported` */
function modelOf(model: string | null): string | null {
  if (model === null || !model.includes('/')) return model;
  const [provider, ...name] = model.split('/');
  if (provider === 'anthropic') return name.join('/');
  const words = `Claude Code has no model "${model}": expected anthropic/<model>, or a bare name such as opus`;
  throw new AppError('unsupported', words, { details: { model } });
}

/**
 * Secrets of MCP servers stand in a file that only its owner can read; keys of the program are not for the agent's shell.
 * @returns the variables that the start needs for it
 */
export async function makeOwn(
  own: string,
  servers: OpenSpec['mcp'],
  variables: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const shell = join(own, 'shell.sh');
  const mcpServers = Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, nativeServer(server)]));
  await mkdir(own, { recursive: true, mode: 0o700 });
  await writeFile(join(own, MCP_FILE), JSON.stringify({ mcpServers }), { mode: 0o600 });
  const secret = Object.keys(variables).filter((name) => SECRET_NAME.test(name));
  await writeFile(shell, `unset ${[...secret, 'CLAUDE_CODE_MESSAGING_TOKEN'].join(' ')}\n`, { mode: 0o600 });
  return { CLAUDE_CODE_TMPDIR: own, CLAUDE_ENV_FILE: shell };
}

function nativeServer(server: McpServer): object {
  if (server.type === 'remote') return { type: 'http', url: server.url, headers: server.headers };
  const [command, ...args] = server.command;
  return { type: 'stdio', command, args, env: server.environment };
}

function placesOf(directory: string, own: string, configDirectory: string, nativeId: string): Places {
  // Large outputs of tools: the directory's name is its path with dashes.
  const kept = join(configDirectory, 'projects', realpathSync(directory).replaceAll(/[^a-zA-Z0-9]/g, '-'), nativeId);
  return {
    directories: [directory, realpathSync(directory)],
    readable: [own, realpathSync(own), kept],
    real: realPath,
  };
}

/** Of a file that does not exist yet, its directory's. */
function realPath(path: string): string {
  for (const [from, rest] of [
    [path, ''],
    [dirname(path), basename(path)],
  ] as const) {
    try {
      return join(realpathSync(from), rest);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES' && code !== 'ELOOP') throw error;
    }
  }
  return path;
}
