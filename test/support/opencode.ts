import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Backend, BackendContext, OpenSpec } from '../../src/backends/backend.ts';
import { createOpencodeBackend } from '../../src/backends/opencode/opencode.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { BackendSettings } from '../../src/contract/config.ts';
import { localHost } from '../../src/hosts/local.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/models/scripted/server.ts';
import type { Scenes } from '../conformance/backend/rig.ts';
import { LiveSession, MemoryBook, openSpec } from './backend-session.ts';
import { environmentFor, tempDir } from './temp.ts';

const AGENTS = new URL('../../agents/opencode/', import.meta.url);

/** The real program, as the tests' own manifest (`agents/opencode`) pins it. */
export function opencodeProgram(): string {
  const name = `opencode-${process.platform}-${process.arch}`;
  for (const variant of [name, `${name}-baseline`, `${name}-musl`]) {
    const path = fileURLToPath(new URL(`node_modules/${variant}/bin/opencode`, AGENTS));
    if (existsSync(path)) return path;
  }
  throw new Error(`opencode is not installed in ${fileURLToPath(AGENTS)}: npm test installs it`);
}

/** OpenCode's configuration for the scripted model alone. */
export const scriptedConfig = (modelUrl: string): Record<string, unknown> => ({
  enabled_providers: ['scripted'],
  model: 'scripted/m1',
  small_model: 'scripted/m1',
  provider: {
    scripted: {
      npm: '@ai-sdk/openai-compatible',
      options: { baseURL: `${modelUrl}/v1`, apiKey: 'unused' },
      models: {
        m1: {
          tool_call: true,
          reasoning: true,
          interleaved: { field: 'reasoning_content' },
          limit: { context: 128_000, output: 8_192 },
          cost: { input: 1, output: 2, cache_read: 0.1 },
        },
        /** Without a price. */
        m2: { tool_call: true, limit: { context: 128_000, output: 8_192 } },
      },
    },
  },
});

/** In a configuration directory that has these, OpenCode does not start to install its plugin package (1.18.33). */
export async function withoutPackageInstall(directory: string): Promise<void> {
  await mkdir(join(directory, 'node_modules'), { recursive: true });
  const manifest = { dependencies: { '@opencode-ai/plugin': '1.18.33' } };
  await writeFile(join(directory, 'package.json'), JSON.stringify(manifest));
  const lock = { lockfileVersion: 3, packages: { '': manifest } };
  await writeFile(join(directory, 'package-lock.json'), JSON.stringify(lock));
}

/** The words of a prompt that make the scripted model take these steps. */
export const scriptedPrompt = (...steps: readonly object[]): string => `@@model ${JSON.stringify(steps)}`;

const heard = { text: 'heard: {{lastToolOutput}}' };
const bash = (command: string): object => ({
  tools: [{ name: 'bash', input: { command, description: 'a command of the test' } }],
});

/** The scenes of the conformance suite, in the tools of OpenCode. */
export const opencodeScenes: Scenes = {
  answer: (text, chunks) => scriptedPrompt(chunks === undefined ? { text } : { text, chunks }),
  reason: (reasoning, text) => scriptedPrompt({ reasoning, text }),
  write: (path, content) => scriptedPrompt({ tools: [{ name: 'write', input: { filePath: path, content } }] }, heard),
  run: (command, how) => {
    const end = how?.hold === undefined ? heard : { hold: how.hold, ...heard };
    if (how?.from !== 'child') return scriptedPrompt(bash(command), end);
    const input = { description: 'part of it', prompt: scriptedPrompt(bash(command), heard), subagent_type: 'general' };
    return scriptedPrompt({ tools: [{ name: 'task', input }] }, end);
  },
  callMcp: (server, tool, input) => scriptedPrompt({ tools: [{ name: `${server}_${tool}`, input }] }, heard),
  question: (question, labels) => {
    const options = labels.map((label) => ({ label, description: label }));
    return scriptedPrompt(
      { tools: [{ name: 'question', input: { questions: [{ question, header: 'One', options }] } }] },
      heard,
    );
  },
  hold: (name, text) => scriptedPrompt({ hold: name, text }),
  fail: () => scriptedPrompt({ error: { status: 400, message: 'the model is broken' } }),
  // A 429 is repeated by OpenCode for more than a minute.
  limit: () => scriptedPrompt({ error: { status: 402, message: 'no money is left' } }),
  use: () => ({
    text: scriptedPrompt({ text: 'used', usage: { input: 1000, output: 50, cachedInput: 400, reasoning: 20 } }),
    usage: {
      inputTokens: 600,
      outputTokens: 30,
      reasoningTokens: 20,
      cacheReadTokens: 400,
      cacheWriteTokens: 0,
      costUsd: 0.00074,
    },
  }),
};

/** A home of Gantry, a user's HOME and a project, with the scripted model: what an OpenCode backend needs to run. */
export type OpencodeBench = AsyncDisposable & {
  readonly root: string;
  readonly userHome: string;
  readonly project: string;
  readonly book: MemoryBook;
  readonly model: ScriptedModel;
  /** A backend on this home; ended with the bench. */
  readonly backend: (settings?: BackendSettings, more?: Partial<BackendContext>) => Backend;
  readonly open: (backend: Backend, more?: Partial<OpenSpec>) => Promise<LiveSession>;
};

/** Without settings a backend has the private profile and the scripted model's configuration. */
export async function opencodeBench(): Promise<OpencodeBench> {
  const dir = await tempDir();
  const model = await startScriptedModel({});
  const [home, userHome, project] = ['home', 'user', 'project'].map((name) => join(dir.path, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [home, userHome, project]) await mkdir(path, { mode: 0o700 });
  await writeFile(join(project, 'README.md'), 'A project.\n');
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.org'];
  for (const args of [
    ['init', '--quiet'],
    ['add', '--all'],
    [...identity, 'commit', '--quiet', '--message', 'first'],
  ]) {
    await promisify(execFile)('git', args, { cwd: project, env: environmentFor(userHome) });
  }
  const book = new MemoryBook();
  const backends: Backend[] = [];
  const settings: BackendSettings = {
    command: [opencodeProgram()],
    profile: 'private',
    config: scriptedConfig(model.url),
  };
  return {
    root: dir.path,
    userHome,
    project,
    book,
    model,
    backend: (own = {}, more = {}) => {
      const backend = createOpencodeBackend({
        id: 'opencode',
        settings: { ...settings, ...own },
        host: localHost,
        clock: systemClock,
        log: silentLog,
        book,
        environment: environmentFor(userHome),
        home,
        ...more,
      });
      backends.push(backend);
      return backend;
    },
    open: async (backend, more = {}) => new LiveSession(backend, await backend.open(openSpec(project, more))),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(backends.map((backend) => backend.close(500)));
      await model.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}
