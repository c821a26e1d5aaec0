import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import type { Client } from '../../client/client.ts';
import { findDaemon } from '../../daemon/find-daemon.ts';
import { hookScript, hookScriptOf, spoolOf } from '../../daemon/hook-script.ts';
import { pluginFileOf, pluginTokenFileOf, readChanges } from '../../daemon/plugin-files.ts';
import { makePrivateDirectory, writePrivateFile } from '../../daemon/private-file.ts';
import { argument, type Context, defineCommand, flag, oneOf } from '../command.ts';
import { clientOf } from '../connect.ts';
import { table } from '../output.ts';
import { readPlugin } from '../plugin-file.ts';
import { AGENTS, type Agent, editFor, targetFile } from '../plugin-targets.ts';
import { addToFile, removeFromFile } from '../users-file.ts';

/** Its token may hand in work and read; it can answer no approval. */
const TOKEN_NAME = 'plugin-opencode';

const agentArgument = argument('agent', 'whose configuration', AGENTS);
const agentOf = (given: string): Agent => oneOf(AGENTS).parse(given);
const project = flag('--project', 'only for the project in this directory');

export const install = defineCommand({
  arguments: { agent: agentArgument },
  options: { project },
  details: [
    'opencode: an entry in the `plugin` list of opencode.json; what it does beyond observing says GANTRY_PLUGIN_MODE',
    'or `plugin.mode` in the configuration. claude: a command hook for each event in settings.json.',
  ],
  run: async (context, args) => {
    const { home, output, environment, directory } = context;
    const agent = agentOf(args.agent);
    const file = targetFile(agent, { environment, project: args.project ? directory : null });
    const edit = editFor(agent, home, file);
    if (agent === 'opencode') await preparePlugin(context);
    else prepareHook(home);
    const isNew = addToFile(home, agent, file, edit);
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
  const daemon = await client();
  if (await isTokenGood(home, daemon)) return;
  const { token } = await daemon.call('tokens.create', { name: TOKEN_NAME, scope: 'operate' });
  writePrivateFile(pluginTokenFileOf(home), `${token}\n`);
}

async function isTokenGood(home: string, { url, call }: Client): Promise<boolean> {
  if (!existsSync(pluginTokenFileOf(home))) return false;
  const { items } = await call('tokens.list', {});
  if (!items.some(({ name }) => name === TOKEN_NAME)) return false;
  const own = clientOf(url, readFileSync(pluginTokenFileOf(home), 'utf8').trim());
  return await own.call('status', {}).then(
    () => true,
    () => false,
  );
}

function prepareHook(home: string): void {
  makePrivateDirectory(spoolOf(home));
  writePrivateFile(hookScriptOf(home), hookScript(home));
  chmodSync(hookScriptOf(home), 0o700);
}

/** What no entry needs any more. Events that wait in the spool are the daemon's. */
async function removeOwnPart({ home }: Context, agent: Agent): Promise<void> {
  if (agent === 'claude') return rmSync(hookScriptOf(home), { force: true });
  for (const file of [pluginFileOf(home), pluginTokenFileOf(home)]) rmSync(file, { force: true });
  const daemon = await findDaemon(home);
  if (!daemon) return;
  const client = clientOf(daemon.url, daemon.token);
  const { items } = await client.call('tokens.list', {});
  for (const { id, name } of items) if (name === TOKEN_NAME) await client.call('tokens.revoke', { id });
}
