import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leftovers } from '../support/leftovers.ts';
import { opencode } from '../support/opencode-agent.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const USERS = 'opencode-user';
/** A private OpenCode, and the person's own one, as they have set it up; Gantry adds nothing to that. */
const BACKENDS = ['opencode', USERS];
/** What the person's own program writes wherever it runs: its log, its caches, its locks. */
const OF_OPENCODE = /^(\.cache|\.local\/state|\.local\/share)\/opencode\/(?!auth\.json$)/;
const STUB = { dependencies: { '@opencode-ai/plugin': '1.18.33' } };

/** Everything that surface.md lets an agent program have, what OpenCode and the shell add, and what Gantry sets for OpenCode. */
const ALLOWED = [
  /^(PATH|HOME|TERM|LANG|LANGUAGE|LC_\w+|TMPDIR|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS)$/,
  /^(https?|all|no)_proxy$/i,
  /^GANTRY_(URL|TOKEN|AGENT|TASK|ATTEMPT|SPAWN)$/,
  /^(AGENT|OPENCODE|OPENCODE_PID|PWD|OLDPWD|SHLVL|_)$/,
  /^(XDG_(CONFIG|DATA|CACHE|STATE)_HOME|OPENCODE_DISABLE_\w+|OPENCODE_MODELS_PATH)$/,
];
/** Only their names are there: the plugin cannot take a variable away. */
const EMPTY = /^OPENCODE_(SERVER_PASSWORD|CONFIG_CONTENT|DB|TEST_HOME)=$/;

let world: World;
/** What the repository's own code writes when it is run. */
let traces: string;
let untouched: { readonly user: ReadonlyMap<string, string>; readonly repository: ReadonlyMap<string, string> };

const config = ({ settings }: ScriptedAgent) => ({
  backends: {
    [USERS]: { ...settings, profile: 'user' as const, config: {}, env: { OPENCODE_DISABLE_MODELS_FETCH: '1' } },
  },
});

const usersFiles = ({ settings }: ScriptedAgent): Record<string, string> => ({
  '.config/opencode/opencode.json': JSON.stringify(settings.config),
  '.config/opencode/AGENTS.md': 'Word of the user.\n',
  '.config/opencode/agent/helper.md': '---\ndescription: helps\nmode: subagent\n---\nHelp.\n',
  '.local/share/opencode/auth.json': '{ "nobody": { "type": "api", "key": "dummy" } }\n',
  '.claude/CLAUDE.md': 'Word of the user to Claude.\n',
});

/** Plugin and MCP server of the repository, with what keeps OpenCode from installing its plugin package for them. */
const hostileFiles = (): Record<string, string> => ({
  '.opencode/plugins/evil.js': `import { appendFileSync } from 'node:fs';
export const Evil = async () => {
  appendFileSync(${JSON.stringify(traces)}, 'plugin ');
  return {};
};\n`,
  '.opencode/package.json': JSON.stringify(STUB),
  '.opencode/package-lock.json': JSON.stringify({ lockfileVersion: 3, packages: { '': STUB } }),
  '.opencode/node_modules/.keep': '',
  '.opencode/.gitignore': 'bun.lock\n',
  'opencode.json': JSON.stringify({
    mcp: { evil: { type: 'local', command: ['sh', '-c', `printf 'server ' >> ${traces}`] } },
  }),
  '.claude/settings.json': '{}\n',
  '.git/hooks/pre-commit': '#!/bin/sh\nexit 0\n',
});

async function put(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
}

/** A hash by path, of every file below. */
async function filesIn(directory: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  const hashed = paths.sort().map(async (path): Promise<[string, string]> => {
    const hash = createHash('sha256').update(await readFile(path));
    return [relative(directory, path), hash.digest('hex')];
  });
  return new Map(await Promise.all(hashed));
}

/** The checkout with its configuration and hooks; what git itself keeps there changes with every branch. */
async function repositoryFiles(): Promise<ReadonlyMap<string, string>> {
  const files = await filesIn(world.project.root);
  return new Map([...files].filter(([path]) => !path.startsWith('.git/') || /^\.git\/(config$|hooks\/)/.test(path)));
}

async function expectUntouched(): Promise<void> {
  const user = await filesIn(world.userHome);
  expect(new Map([...user].filter(([path]) => !OF_OPENCODE.test(path)))).toEqual(untouched.user);
  expect(await repositoryFiles()).toEqual(untouched.repository);
  expect(await world.project.git(['status', '--porcelain'])).toBe('');
}

/** What a command gives that an agent runs. */
async function outputOf(backend: string, command: string): Promise<string> {
  const { id } = await world.submitOne([{ run: command }, { text: '{{lastToolOutput}}' }], { backend });
  expect(await world.over(id)).toMatchObject({ state: 'done', cause: null });
  return (await world.task(id)).result?.summary ?? '';
}

beforeAll(async () => {
  world = await World.make(opencode, config);
  traces = world.project.beside('traces');
  await put(world.userHome, usersFiles(world.agent));
  await put(world.project.root, hostileFiles());
  await world.project.commit('ours');
  untouched = { user: await filesIn(world.userHome), repository: await repositoryFiles() };
  Object.assign(world.env, { OPENAI_API_KEY: 'hush', GANTRY_SOMETHING: 'hush', SOME_SETTING: 'hush' });
  await world.up();
});
afterAll(() => world[Symbol.asyncDispose]());

describe('what is not ours', () => {
  it.each(BACKENDS)('is as it was after a run on %s, whose shell sees what it may', async (backend) => {
    expect(await readFile(`/proc/${world.daemonPid}/environ`, 'latin1')).toContain('OPENAI_API_KEY=hush');
    const variables = (await outputOf(backend, 'env')).trim().split('\n');
    const open = variables.filter((variable) => !EMPTY.test(variable));
    const unknown = open.filter((variable) => !ALLOWED.some((name) => name.test(variable.split('=', 1)[0] ?? '')));
    expect(unknown).toEqual([]);
    expect(variables.join('\n')).not.toContain('hush');
    expect(variables.filter((variable) => variable.startsWith('GANTRY_AGENT='))).toHaveLength(1);
    await expectUntouched();
  });

  it("runs none of the repository's plugins and MCP servers until the project is trusted", async () => {
    expect(existsSync(traces)).toBe(false);
    expect(await world.gantry(['project', 'add', world.project.root, '--trust'])).toMatchObject({ code: 0 });
    expect(await outputOf('opencode', 'echo ran')).toContain('ran');
    const run = (await readFile(traces, 'utf8')).trim().split(' ');
    expect(new Set(run)).toEqual(new Set(['plugin', 'server']));
    await expectUntouched();
  });

  it('has no process left when the daemon has stopped', async () => {
    await world.down();
    expect(await leftovers(world.root)).toEqual([]);
    await expectUntouched();
  });
});
