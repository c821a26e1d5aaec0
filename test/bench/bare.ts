import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { deferred, within } from '../../src/base/wait.ts';
import { MARKER_VARIABLE } from '../../src/process/table.ts';
import { usageOf } from '../../src/process/usage.ts';
import { claudeProgram, scriptedClaude } from '../support/claude.ts';
import { opencodeProgram, scriptedConfig, withoutPackageInstall } from '../support/opencode.ts';
import { environmentFor } from '../support/temp.ts';
import { clockNow } from './fact-watch.ts';

/** An agent program that a person has started by hand: ready in so many ms, with so much memory and processor time. */
export type Bare = { readonly readyMs: number; readonly megabytes: number; readonly cpuMs: number };

type Place = { readonly root: string; readonly project: string; readonly modelUrl: string };
type Child = ChildProcessByStdio<Writable, Readable, null>;
type Program = {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Resolves when the program would take a prompt. */
  readonly ready: (child: Child, heard: (sign: string) => Promise<string>) => Promise<unknown>;
};

const LIMIT_MS = 60_000;
const FAKE_AGENT = fileURLToPath(new URL('../../dist/backends/fake/agent/main.js', import.meta.url));
const OPENCODE_QUIET = { OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' };

const say = (child: Child, frame: object): unknown => child.stdin.write(`${JSON.stringify(frame)}\n`);

const PROGRAMS: Readonly<Record<string, (place: Place, own: string) => Promise<Program>>> = {
  fake: async ({ project }, own) => ({
    command: [process.execPath, FAKE_AGENT, '--store', join(own, 'store')],
    env: {},
    ready: async (child, heard) => {
      const how = { title: 'bench', tools: {}, model: null, instructions: null, off: [], heartbeatMs: 10_000 };
      say(child, { type: 'open', directory: project, ...how });
      await heard('"hello"');
    },
  }),
  opencode: async ({ project, modelUrl }, own) => ({
    command: [opencodeProgram(), 'serve', '--port', '0', '--hostname', '127.0.0.1'],
    env: await opencodeEnv(own, modelUrl),
    ready: async (_, heard) => {
      const [, url = ''] = /listening on (http:\S+)/.exec(await heard('listening on')) ?? [];
      const path = `${url}/session?directory=${encodeURIComponent(project)}`;
      const headers = { 'Content-Type': 'application/json' };
      const made = await fetch(path, { method: 'POST', headers, body: JSON.stringify({ title: 'bench' }) });
      if (!made.ok) throw new Error(`the bare OpenCode answers ${made.status}`);
    },
  }),
  claude: async ({ modelUrl }, own) => ({
    command: [
      claudeProgram(),
      ...['--print', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'],
    ],
    env: {
      ...scriptedClaude(modelUrl).env,
      CLAUDE_CONFIG_DIR: join(own, 'config'),
      DISABLE_AUTOUPDATER: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    },
    ready: async (child, heard) => {
      say(child, { type: 'control_request', request_id: '1', request: { subtype: 'initialize' } });
      await heard('"control_response"');
    },
  }),
  acp: async ({ project, modelUrl }, own) => ({
    command: [opencodeProgram(), 'acp'],
    env: await opencodeEnv(own, modelUrl),
    ready: async (child, heard) => {
      const call = (id: number, method: string, params: object): unknown =>
        say(child, { jsonrpc: '2.0', id, method, params });
      call(1, 'initialize', { protocolVersion: 1, clientCapabilities: {} });
      await heard('"id":1');
      call(2, 'session/new', { cwd: project, mcpServers: [] });
      await heard('"sessionId"');
    },
  }),
};

/** The same configuration as through Gantry, and no package to be installed first. */
export async function opencodeEnv(own: string, modelUrl: string): Promise<Record<string, string>> {
  await withoutPackageInstall(join(own, 'config', 'opencode'));
  const config = { ...scriptedConfig(modelUrl), autoupdate: false, permission: { '*': 'ask' } };
  return {
    XDG_CONFIG_HOME: join(own, 'config'),
    OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
    ...OPENCODE_QUIET,
  };
}

/** Starts the program by hand, as its own documentation says; takes its time until it is ready, looks at it, and ends it. */
export async function bare(backend: string, place: Place): Promise<Bare> {
  const own = join(place.root, `bare-${backend}`);
  await mkdir(own, { recursive: true });
  const made = await PROGRAMS[backend]?.(place, own);
  if (!made) throw new Error(`how ${backend} is started by hand is not known`);
  const marker = `bare.${backend}.${process.pid}`;
  const [program, ...args] = made.command;
  const began = clockNow();
  const child = spawn(program, args, {
    cwd: place.project,
    env: { ...environmentFor(own), ...made.env, [MARKER_VARIABLE]: marker },
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  const over = once(child, 'exit');
  try {
    await made.ready(child, listener(child, backend));
    const readyMs = clockNow() - began;
    const usage = await usageOf(marker);
    return { readyMs, megabytes: (usage?.rssBytes ?? Number.NaN) / 1024 ** 2, cpuMs: usage?.cpuMs ?? Number.NaN };
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    await over;
  }
}

/** What answers with the next line that has a sign, also if it was said already. */
function listener(child: Child, backend: string): (sign: string) => Promise<string> {
  const lines: string[] = [];
  const looking = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const look of looking) look();
  });
  return async (sign) => {
    const found = deferred<string>();
    const look = (): void => {
      const line = lines.find((one) => one.includes(sign));
      if (line !== undefined) found.resolve(line);
    };
    looking.add(look);
    look();
    return await within(found.promise, LIMIT_MS, () => new Error(`the bare ${backend} did not say ${sign}`));
  };
}
