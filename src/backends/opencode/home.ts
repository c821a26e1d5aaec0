import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from '../../base/directory.ts';
import { type LaunchPlan, userConfigHome } from './plan.ts';
import { PLUGIN_SOURCE } from './plugin.ts';

/** In a configuration directory that has these, OpenCode does not start to install its plugin package there. */
const STUB_PACKAGE = { dependencies: { '@opencode-ai/plugin': '1.18.33' } };
const STUB_LOCK = { lockfileVersion: 3, packages: { '': STUB_PACKAGE } };
/** What that installation makes: the stub takes its place. */
const INSTALLED = new Set(['node_modules', 'package.json', 'package-lock.json', 'bun.lock', '.gitignore']);
/** OpenCode writes a missing `$schema` into these: it gets copies. */
const CONFIG_FILE = /^(opencode|config|tui)\.jsonc?$/;
/** Entries of a user's home that are linked; nobody has so many. */
const MAX_LINKS = 5_000;

/**
 * Makes the directories and files of a server. `own` is the server's own directory, which ends with it.
 *
 * With the user's profile OpenCode sees the user's configuration through links, in a directory of ours. Else it would
 * install packages into the user's `~/.config/opencode` and `~/.opencode`, and our plugin makes the first request wait for
 * that: measured with 1.18.33 and a registry that does not answer, 70 s; through the links 0.1 s, and nothing of the
 * user's is written. `OPENCODE_TEST_HOME` moves only what OpenCode itself takes for the home, HOME stays what it is; the
 * login stays where it is, too.
 * @returns the variables that name what was made
 */
export async function prepareHome(plan: LaunchPlan, own: string): Promise<Readonly<Record<string, string>>> {
  const { paths, env } = plan;
  await Promise.all([makeDirectory(paths.base), makeDirectory(sessionsOf(own))]);
  await writeFile(paths.models, '{}', { mode: 0o600 });
  await writeFile(paths.plugin, PLUGIN_SOURCE, { mode: 0o600 });
  if (plan.profile === 'private') {
    const { HOME = '', XDG_DATA_HOME = '', XDG_CACHE_HOME = '', XDG_STATE_HOME = '', TMPDIR = '' } = env;
    await Promise.all([HOME, XDG_DATA_HOME, XDG_CACHE_HOME, XDG_STATE_HOME, TMPDIR].map(makeDirectory));
    await makeConfigDirectory(join(env.XDG_CONFIG_HOME ?? '', 'opencode'), null);
    return {};
  }
  const [home, config] = [join(own, 'home'), join(own, 'config')];
  await mirror(userConfigHome(env), config, 'opencode');
  if (env.HOME !== undefined) await mirror(env.HOME, home, '.opencode');
  return { XDG_CONFIG_HOME: config, OPENCODE_TEST_HOME: home };
}

/** Links to everything in `from`, but a directory of ours for the configuration in `name`. */
async function mirror(from: string, to: string, name: string): Promise<void> {
  await makeDirectory(to);
  const entries = (await namesIn(from)).slice(0, MAX_LINKS);
  await link(
    from,
    to,
    entries.filter((entry) => entry !== name),
  );
  await makeConfigDirectory(join(to, name), join(from, name));
}

/** A file per session for the plugin, with secrets of the agent in it: 0600, removed with the session or the server. */
export const sessionsOf = (own: string): string => join(own, 'sessions');

/** Ends with the server. */
export const removeOwn = (own: string): Promise<void> => rm(own, { recursive: true, force: true });

async function makeConfigDirectory(path: string, source: string | null): Promise<void> {
  await makeDirectory(join(path, 'node_modules'));
  await writeFile(join(path, 'package.json'), JSON.stringify(STUB_PACKAGE));
  await writeFile(join(path, 'package-lock.json'), JSON.stringify(STUB_LOCK));
  if (source === null) return;
  const entries = (await namesIn(source)).filter((name) => !INSTALLED.has(name));
  const { copied = [], linked = [] } = Object.groupBy(entries, (name) =>
    CONFIG_FILE.test(name) ? 'copied' : 'linked',
  );
  await Promise.all(copied.map((name) => copyFile(join(source, name), join(path, name))));
  await link(source, path, linked);
}

async function link(from: string, to: string, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => symlink(join(from, name), join(to, name))));
}

const makeDirectory = async (path: string): Promise<void> => {
  await mkdir(path, { recursive: true, mode: 0o700 });
};
