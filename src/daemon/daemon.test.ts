import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { leftovers } from '../../test/support/leftovers.ts';
import { COMPILE_CACHE } from '../../test/support/temp.ts';
import { silentLog } from '../base/log.ts';
import { createClient } from '../client/client.ts';
import type { Config } from '../contract/config.ts';
import type { DoctorCheck } from '../contract/shapes.ts';
import { startScriptedModel } from '../models/scripted/server.ts';
import { runCommand } from '../process/run.ts';
import { userConfigFile } from './config.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type Environment, processEnvironment } from './environment.ts';
import { SPOOLED, spoolOf, UNREADABLE } from './hook-script.ts';
import { changesFileOf, pluginFileOf, pluginTokenFileOf } from './plugin-files.ts';
import { readAdminToken } from './tokens-file.ts';

let root: string;
let home: string;
const started: Daemon[] = [];

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'gantry-daemon-')));
  home = join(root, 'home');
  await mkdir(home);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((daemon) => daemon.close('the test is over')));
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

const shell = (): Record<string, string> => ({ PATH: processEnvironment().PATH ?? '', HOME: root, ...COMPILE_CACHE });

async function start(config: Config = {}, more: Environment = {}) {
  // Nobody's own OpenCode or Claude Code is ever started.
  const backends = {
    opencode: { command: ['/nowhere/opencode'] },
    claude: { command: ['/nowhere/claude'] },
    ...config.backends,
  };
  await writeFile(userConfigFile(home), JSON.stringify({ defaultBackend: 'fake', ...config, backends }));
  const daemon = await startDaemon({ home, port: 0 }, { ...shell(), ...more }, silentLog);
  started.push(daemon);
  const client = createClient({ url: daemon.url, token: readAdminToken(home) ?? '' });
  return { daemon, client };
}

async function makeProject(): Promise<string> {
  const path = join(root, 'project');
  await mkdir(path);
  await writeFile(join(path, '.env'), 'OPENAI_API_KEY=from-the-file\n');
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@t'];
  for (const args of [
    ['init', '-q'],
    ['add', '.'],
    [...identity, 'commit', '-q', '-m', 'first'],
  ]) {
    const spec = { cwd: path, env: shell(), marker: null, limitMs: 20_000 };
    const { code, stderr } = await runCommand({ ...spec, command: ['git', ...args] });
    if (code !== 0) throw new Error(stderr);
  }
  return path;
}

const line = ({ name, status, detail }: DoctorCheck): string => `${status} ${name}: ${detail}`;

test('50 starts and ends leave no process, lock, socket, file or timer behind', async () => {
  const ROUNDS = 47;
  const look = async () => {
    const resources = process.getActiveResourcesInfo();
    return {
      files: process.platform === 'linux' ? (await readdir('/proc/self/fd')).length : 0,
      sockets: resources.filter((kind) => kind.startsWith('TCP')).length,
      timers: resources.filter((kind) => kind === 'Timeout').length,
    };
  };
  // The first ones load what is loaded once, and make the home.
  for (let i = 0; i < 3; i += 1) await (await start()).daemon.close('warm');
  const before = await look();
  const inHome = (await readdir(home)).toSorted();
  const ports = new Set<number>();
  for (let i = 0; i < ROUNDS; i += 1) {
    const { daemon, client } = await start();
    expect(await client.call('status', {})).toMatchObject({ pid: process.pid });
    ports.add(Number(new URL(daemon.url).port));
    await daemon.close(`round ${i}`);
  }
  // Other tests of this process have some of their own; what every round leaves is as many as the rounds.
  const isGrown = async () => {
    const now = await look();
    return (['files', 'sockets', 'timers'] as const).filter((kind) => now[kind] - before[kind] >= ROUNDS / 2);
  };
  await expect.poll(isGrown, { timeout: 60_000 }).toEqual([]);
  expect((await readdir(home)).toSorted()).toEqual(inHome);
  expect(await leftovers(home)).toEqual(process.platform === 'linux' ? [] : null);
  expect(await Promise.all([...ports].map(isFree))).not.toContain(false);
});

/** Whether nothing listens there, on either address. */
async function isFree(port: number): Promise<boolean> {
  const answers = await Promise.allSettled(
    ['127.0.0.1', '[::1]'].map((host) => fetch(`http://${host}:${port}/healthz`)),
  );
  return answers.every(({ status }) => status === 'rejected');
}

test('a daemon tells its state, is alone in its home, and starts again where it ended', async () => {
  const { daemon, client } = await start();
  const status = await client.call('status', {});
  expect(status).toMatchObject({ pid: process.pid, url: daemon.url, home, pendingApprovals: 0, alerts: [] });
  await expect(startDaemon({ home, port: 0 }, shell(), silentLog)).rejects.toMatchObject({
    code: 'daemon_running',
    details: { url: daemon.url },
  });
  await daemon.close('restart');
  const again = await start();
  const { items } = await again.client.call('facts.list', { kind: 'daemon.started,daemon.stopped' });
  expect(items.map(({ kind, data }) => [kind, 'cause' in data ? data.cause : ''])).toEqual([
    ['daemon.started', ''],
    ['daemon.stopped', 'restart'],
    ['daemon.started', ''],
  ]);
});

test('it stops when it is asked to by the API', async () => {
  const { daemon, client } = await start();
  expect(await client.call('shutdown', { cause: 'enough' })).toEqual({ isStopping: true });
  expect(await daemon.stopAsked).toBe('enough');
});

test('the token of the CLI is in no other file', async () => {
  const { daemon } = await start();
  const token = readAdminToken(home) ?? '';
  await daemon.close('done');
  for (const file of ['gantry.db', 'daemon.lock']) {
    expect((await readFile(join(home, file))).includes(token)).toBe(false);
  }
});

test('settings and credentials are explained, also for a directory that is no registered project', async () => {
  const { client } = await start({ planner: { model: 'openai/x' } });
  const project = await makeProject();
  const { items } = await client.call('config.explain', { key: 'planner.model', project });
  expect(items).toEqual([{ key: 'planner.model', value: 'openai/x', layer: 'user', source: userConfigFile(home) }]);
  const credentials = await client.call('config.explain', { key: 'credentials', project });
  expect(credentials.items).toEqual([
    { key: 'credentials.OPENAI_API_KEY', value: '[set]', layer: 'project', source: join(project, '.env') },
  ]);
  await expect(client.call('config.explain', { key: 'planer.model' })).rejects.toMatchObject({ code: 'usage' });
});

describe('doctor', () => {
  test('starts the agent, provokes a question, and finds nothing wrong', async () => {
    const { client } = await start();
    const { isOk, checks } = await client.call('doctor', {});
    const lines = checks.map(line);
    expect(isOk).toBe(true);
    expect(lines).toContain('ok backend fake in use: it answered');
    expect(lines).toContain('ok backend fake in use: permission: it asked before it ran a command');
    expect(lines).toContainEqual(expect.stringMatching(/^ok store: .* sound$/));
    // It is missing, and nobody works with it.
    expect(lines).toContainEqual(expect.stringMatching(/^notice backend opencode: /));
  });

  test('a backend that nobody works with is worth a notice, whatever is wrong with it', async () => {
    const backends = { 'fake-broken': { env: { GANTRY_FAKE_START: 'exit=3' } } };
    const { client } = await start({ backends });
    const { isOk, checks } = await client.call('doctor', {});
    expect(checks.map(line)).toContainEqual(expect.stringMatching(/^notice backend fake-broken in use: .*exit code 3/));
    expect(isOk).toBe(true);
  });

  test('names what is wrong, with what to do, and never a key', async () => {
    const environment = { ROZET_HOME: '/rozet', OPENAI_API_KEY: 'from-the-shell' };
    const { client } = await start({ planner: { model: 'openrouter/gpt-5-nano' } }, environment);
    const project = await makeProject();
    const missing = await client.call('doctor', { project, isQuick: true });
    expect(missing.isOk).toBe(false);
    const texts = missing.checks.map(line);
    expect(texts).toContain('problem planner: openrouter/gpt-5-nano has no key: requests become one task each');
    expect(texts).toContain('notice planner: OpenRouter does not know "gpt-5-nano"');
    expect(texts).toContain('notice rozet: ROZET_HOME is set and not read');
    expect(texts).toContain('notice git: .env is tracked: its keys are in the history');
    expect(missing.checks.every(({ status, repair }) => status !== 'problem' || repair !== null)).toBe(true);
  });

  test('asks the planner, and says which of two keys was used', async () => {
    await using model = await startScriptedModel({ script: { rules: [], otherwise: [{ text: 'ok' }] } });
    const environment = { OPENAI_API_KEY: 'from-the-shell' };
    const planner = { model: 'mine/x', endpoint: `${model.url}/v1`, credential: 'OPENAI_API_KEY' };
    const { client } = await start({ planner }, environment);
    const project = await makeProject();
    const { checks } = await client.call('doctor', { project });
    const texts = checks.map(line);
    expect(texts).toContain('ok planner: mine/x answered (OPENAI_API_KEY from process environment)');
    expect(texts).toContain(
      `notice planner: OPENAI_API_KEY has another value in ${project}/.env; the one from process environment is used`,
    );
    expect(JSON.stringify(checks)).not.toMatch(/from-the-(shell|file)/);
  });

  test('holds what a backend declares against what its program does', async () => {
    const { client } = await start();
    const { isOk, checks } = await client.call('doctor', { conformance: 'fake' });
    const lines = checks.map(line);
    expect(lines).toContain('ok resume: declared, observed: resumed session');
    expect(lines).toContain('ok interrupt: declared, observed: the turn ended: interrupted');
    expect(lines).toContain('ok mcp: not declared, not used');
    expect(isOk).toBe(true);
    await expect(client.call('doctor', { conformance: 'nobody' })).rejects.toMatchObject({ code: 'backend_unknown' });
  });

  const isQuick = true;

  test('posts an event with a token for that alone and reads it back; no token of it is left', async () => {
    const { client } = await start();
    const before = await client.call('tokens.list', {});
    const { checks } = await client.call('doctor', { isQuick });
    expect(checks.map(line)).toContainEqual(
      expect.stringMatching(/^ok events: one was posted and read back in \d+ ms$/),
    );
    expect(await client.call('tokens.list', {})).toEqual(before);
    const { items } = await client.call('facts.list', { kind: 'observed' });
    expect(items).toMatchObject([{ data: { source_app: 'gantry-doctor', hook_event_type: 'DoctorMarker' } }]);
  });

  test('sees a plugin without a valid token or without its entry', async () => {
    const { client } = await start();
    const lines = async (): Promise<string[]> => {
      const { isOk, checks } = await client.call('doctor', { isQuick });
      // The main job works without it.
      expect(isOk).toBe(true);
      return checks.filter(({ name }) => name === 'plugin').map(line);
    };
    expect(await lines()).toEqual(['ok plugin: not installed in an OpenCode of yours']);

    const entryFile = join(root, 'opencode.json');
    const change = { agent: 'opencode', file: entryFile, before: null, after: '', made: [] };
    await mkdir(join(home, 'plugin'));
    await writeFile(pluginFileOf(home), '');
    await writeFile(changesFileOf(home), JSON.stringify([change]));
    await writeFile(entryFile, JSON.stringify({ plugin: [[pathToFileURL(pluginFileOf(home)).href, { home }]] }));
    const file = pluginTokenFileOf(home);
    expect(await lines()).toEqual([`notice plugin: the plugin can tell nothing: no token in ${file}`]);
    const { token, info } = await client.call('tokens.create', { name: 'plugin-opencode', scope: 'operate' });
    await writeFile(file, `${token}\n`);
    expect(await lines()).toEqual(['ok plugin: installed for OpenCode, its token is valid']);
    await writeFile(entryFile, '{}');
    expect(await lines()).toEqual([
      `notice plugin: OpenCode does not load the plugin: its entry in ${entryFile} is gone`,
    ]);
    await rm(entryFile);
    await client.call('tokens.revoke', { id: info.id });
    expect(await lines()).toEqual([
      `notice plugin: the plugin can tell nothing: no valid token in ${file}`,
      `notice plugin: OpenCode does not load the plugin: its entry in ${entryFile} is gone`,
    ]);
    await writeFile(changesFileOf(home), '{');
    expect(await lines()).toEqual([expect.stringContaining('notice plugin: ')]);
  });

  test('sees events of hooks that could not be read', async () => {
    const { client } = await start();
    const spool = async (): Promise<string[]> => {
      const { checks } = await client.call('doctor', { isQuick });
      return checks.filter(({ name }) => name === 'spool').map(line);
    };
    expect(await spool()).toEqual(['ok spool: no event waits']);
    await mkdir(join(spoolOf(home), `a.1${SPOOLED}`));
    await expect.poll(() => readdir(spoolOf(home)), { timeout: 60_000 }).toEqual([`a.1${SPOOLED}${UNREADABLE}`]);
    expect(await spool()).toEqual([
      'ok spool: no event waits',
      'notice spool: events of hooks that could not be read and were set aside: 1',
    ]);
  });
});
