import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import type { Client } from '../../client/client.ts';
import type { InputOf } from '../../contract/api.ts';
import { AppError } from '../../contract/errors.ts';
import { findDaemon } from '../../daemon/find-daemon.ts';
import { hookScript, hookScriptOf, spoolOf } from '../../daemon/hook-script.ts';
import {
  hookTokenFileOf,
  pluginFileOf,
  pluginTokenFileOf,
  readChanges,
  readPersonsFile,
} from '../../daemon/plugin-files.ts';
import { makePrivateDirectory, writePrivateFile } from '../../daemon/private-file.ts';
import { argument, type Context, defineCommand, flag, oneOf } from '../command.ts';
import { clientOf } from '../connect.ts';
import { table } from '../output.ts';
import { readPlugin } from '../plugin-file.ts';
import { AGENTS, type Agent, CLAUDE_SOURCE, editFor, hasHttpHooks, targetFile } from '../plugin-targets.ts';
import { addToFile, type Edit, removeFromFile } from '../users-file.ts';

type OwnToken = { readonly file: (home: string) => string; readonly input: InputOf<'tokens.create'> };

const TOKENS: Readonly<Record<Agent, OwnToken>> = {
  // It may hand in work and read; it can answer no approval.
  opencode: { file: pluginTokenFileOf, input: { name: 'plugin-opencode', scope: 'operate' } },
  claude: { file: hookTokenFileOf, input: { name: 'plugin-claude', scope: 'ingest', sourceApp: CLAUDE_SOURCE } },
};

const agentArgument = argument('agent', 'whose configuration', AGENTS);
const agentOf = (given: string): Agent => oneOf(AGENTS).parse(given);
const project = flag('--project', 'only for the project in this directory');

export const install = defineCommand({
  arguments: { agent: agentArgument },
  options: { project, http: flag('--http', 'claude: HTTP hooks, which need no program but wait for the daemon') },
  details: [
    'opencode: an entry in the `plugin` list of opencode.json. GANTRY_PLUGIN_MODE, or plugin.mode in the configuration, says what it does beyond observing.',
    'claude: a hook for each event in settings.json: a command that leaves the event for the daemon, or with --http the address of the daemon with a token that can only send such events.',
  ],
  run: async (context, args) => {
    const { home, output, environment, directory } = context;
    const agent = agentOf(args.agent);
    if (args.http && agent !== 'claude') throw new AppError('usage', '--http is for claude only');
    const file = targetFile(agent, { environment, project: args.project ? directory : null });
    const known = editFor(agent, home, file);
    if (agent === 'opencode') await preparePlugin(context);
    else prepareHook(home);
    const daemonUrl = args.http ? await prepareHttpHooks(context) : null;
    if (agent === 'claude') removeOtherHooks(home, file, { known, daemonUrl });
    const isNew = addToFile(home, agent, file, editFor(agent, home, file, daemonUrl));
    output.result({ agent, file, isNew }, () => [
      isNew ? `installed: ${file}` : `already installed: ${file}; Gantry's own part was renewed`,
    ]);
    if (isNew) output.note(`It holds for what is started from now on. To undo: gantry plugin uninstall ${agent}`);
  },
});

export const uninstall = defineCommand({
  arguments: { agent: agentArgument },
  options: { project },
  run: async (context, args) => {
    const { home, output, environment, directory } = context;
    const agent = agentOf(args.agent);
    const asked = targetFile(agent, { environment, project: args.project ? directory : null });
    const known = readChanges(home).filter((change) => change.agent === agent);
    const files = args.project ? [asked] : [...new Set([asked, ...known.map(({ file }) => file)])];
    const removed = files.filter((file) => removeFromFile(home, file, editFor(agent, home, file)));
    if (!readChanges(home).some((change) => change.agent === agent)) await removeOwnPart(context, agent);
    output.result({ agent, files: removed }, () =>
      removed.length === 0 ? ['was not installed'] : removed.map((file) => `removed from ${file}`),
    );
  },
});

export const status = defineCommand({
  run: async ({ home, output, environment, directory }) => {
    const built = await readPlugin();
    const rows = AGENTS.flatMap((agent) => {
      const places = [null, directory].map((place) => targetFile(agent, { environment, project: place }));
      const known = readChanges(home).flatMap((change) => (change.agent === agent ? [change.file] : []));
      return [...new Set([...places, ...known])].flatMap((file) => {
        const isThere = existsSync(file) && editFor(agent, home, file).isIn(readFileSync(file, 'utf8'));
        return isThere ? [{ agent, file, isCurrent: isCurrent(home, agent, built) }] : [];
      });
    });
    output.result(rows, () => {
      if (rows.length === 0) return ['Nothing is installed. See: gantry plugin install --help'];
      const cells = rows.map((row) => [row.agent, row.isCurrent ? 'current' : 'outdated', row.file]);
      const columns = [{ title: 'AGENT' }, { title: 'VERSION' }, { title: 'FILE', min: 16 }];
      return table(columns, cells, output.columns, output.paint);
    });
  },
});

function isCurrent(home: string, agent: Agent, built: string): boolean {
  const [file, wanted] = agent === 'opencode' ? [pluginFileOf(home), built] : [hookScriptOf(home), hookScript(home)];
  return existsSync(file) && readFileSync(file, 'utf8') === wanted;
}

async function preparePlugin({ home, client }: Context): Promise<void> {
  writePrivateFile(pluginFileOf(home), await readPlugin());
  await ensureToken(home, await client(), 'opencode');
}

/** @returns where the daemon is */
async function prepareHttpHooks({ home, client }: Context): Promise<string> {
  const daemon = await client();
  await ensureToken(home, daemon, 'claude');
  return daemon.url;
}

async function ensureToken(home: string, daemon: Client, agent: Agent): Promise<void> {
  const { file, input } = TOKENS[agent];
  if (await isTokenGood(file(home), daemon, input)) return;
  const { token } = await daemon.call('tokens.create', input);
  writePrivateFile(file(home), `${token}\n`);
}

async function isTokenGood(file: string, { url, call }: Client, { name }: OwnToken['input']): Promise<boolean> {
  if (!existsSync(file)) return false;
  const { items } = await call('tokens.list', {});
  if (!items.some((item) => item.name === name)) return false;
  const own = clientOf(url, readFileSync(file, 'utf8').trim());
  // What it may not do is refused otherwise than what is not known.
  return await own.call('status', {}).then(
    () => true,
    (error: unknown) => error instanceof AppError && error.code === 'forbidden',
  );
}

/** Command hooks make room for HTTP hooks and the other way round; so do those to another address or with an old token. */
function removeOtherHooks(
  home: string,
  file: string,
  { known, daemonUrl }: { readonly known: Edit; readonly daemonUrl: string | null },
): void {
  const text = readPersonsFile(file);
  if (text === null || !known.isIn(text)) return;
  const isSame = daemonUrl === null ? !hasHttpHooks(home, text) : hasHttpHooks(home, text, daemonUrl);
  if (!isSame) removeFromFile(home, file, known);
}

function prepareHook(home: string): void {
  makePrivateDirectory(spoolOf(home));
  writePrivateFile(hookScriptOf(home), hookScript(home));
  chmodSync(hookScriptOf(home), 0o700);
}

/** What no entry needs any more. Events that wait in the spool are the daemon's. */
async function removeOwnPart({ home }: Context, agent: Agent): Promise<void> {
  const { file, input } = TOKENS[agent];
  const hadToken = existsSync(file(home));
  for (const own of [agent === 'claude' ? hookScriptOf(home) : pluginFileOf(home), file(home)])
    rmSync(own, { force: true });
  const daemon = hadToken ? await findDaemon(home) : null;
  if (!daemon) return;
  const client = clientOf(daemon.url, daemon.token);
  const { items } = await client.call('tokens.list', {});
  for (const { id, name } of items) if (name === input.name) await client.call('tokens.revoke', { id });
}
