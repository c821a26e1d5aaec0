import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Backend, OpenSpec } from '../../src/backends/backend.ts';
import { createClaudeBackend } from '../../src/backends/claude/claude.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { BackendSettings } from '../../src/contract/config.ts';
import { localHost } from '../../src/hosts/local.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/models/scripted/server.ts';
import type { Scenes } from '../conformance/backend/rig.ts';
import { LiveSession, MemoryBook, openSpec } from './backend-session.ts';
import { scriptedPrompt } from './opencode.ts';
import type { StepTools } from './scripted-steps.ts';
import { environmentFor, tempDir } from './temp.ts';

const AGENTS = new URL('../../agents/claude/', import.meta.url);

/** The real program, as the tests' own manifest (`agents/claude`) pins it. */
export function claudeProgram(): string {
  const name = `@anthropic-ai/claude-code-${process.platform}-${process.arch}`;
  for (const variant of [name, `${name}-musl`]) {
    const path = fileURLToPath(new URL(`node_modules/${variant}/claude`, AGENTS));
    if (existsSync(path)) return path;
  }
  throw new Error(`Claude Code is not installed in ${fileURLToPath(AGENTS)}: npm test installs it`);
}

/** Claude Code with a home of its own, on the scripted model alone. Errors of the model are not repeated. */
export const scriptedClaude = (modelUrl: string): BackendSettings => ({
  command: [claudeProgram()],
  profile: 'private',
  env: { ANTHROPIC_BASE_URL: modelUrl, ANTHROPIC_API_KEY: 'dummy-local-key', CLAUDE_CODE_MAX_RETRIES: '0' },
});

/** Its tools in the steps of the scripted model. */
export const claudeTools: StepTools = {
  run: (command) => ({ name: 'Bash', input: { command, description: 'a command of the test' } }),
  write: ({ path, content }) => ({ name: 'Write', input: { file_path: path, content } }),
  gantry: ({ tool, input }) => ({ name: `mcp__gantry__${tool}`, input }),
  question: ({ question, labels }) => {
    const options = labels.map((label) => ({ label, description: label }));
    return {
      name: 'AskUserQuestion',
      input: { questions: [{ question, header: 'One', options, multiSelect: false }] },
    };
  },
  child: (prompt) => ({
    name: 'Agent',
    input: { description: 'a part of it', prompt, subagent_type: 'general-purpose' },
  }),
  // After 400 it tries five requests of other forms.
  failStatus: 409,
};

const play = scriptedPrompt;
const heard = { text: 'heard: {{lastToolOutput}}' };
const { run: bash, write, question, child } = claudeTools;

/** The scenes of the conformance suite, in the tools of Claude Code. */
export const claudeScenes: Scenes = {
  answer: (text, chunks) => play(chunks === undefined ? { text } : { text, chunks }),
  reason: (reasoning, text) => play({ reasoning, text }),
  write: (path, content) => play({ tools: [write({ path, content })] }, heard),
  run: (command, how) => {
    const end = how?.hold === undefined ? heard : { hold: how.hold, ...heard };
    if (how?.from !== 'child') return play({ tools: [bash(command)] }, end);
    return play({ tools: [child(play({ tools: [bash(command)] }, heard))] }, end);
  },
  callMcp: (server, tool, input) => play({ tools: [{ name: `mcp__${server}__${tool}`, input }] }, heard),
  question: (text, labels) => play({ tools: [question({ question: text, labels })] }, heard),
  hold: (name, text) => play({ hold: name, text }),
  fail: () => play({ error: { status: 400, message: 'the model is broken' } }),
  limit: () => play({ error: { status: 429, message: 'too many requests' } }),
  use: () => ({
    text: play({ text: 'used', usage: { input: 1000, output: 50, cachedInput: 400, reasoning: 20 } }),
    usage: {
      inputTokens: 600,
      outputTokens: 30,
      reasoningTokens: 20,
      cacheReadTokens: 400,
      cacheWriteTokens: 0,
      costUsd: 0.00348,
    },
  }),
};

/** A home of Gantry, a user's HOME and a project, with the scripted model: what a Claude Code backend needs to run. */
export type ClaudeBench = AsyncDisposable & {
  readonly home: string;
  readonly project: string;
  readonly model: ScriptedModel;
  /** A backend on this home; ended with the bench. */
  readonly backend: (settings?: BackendSettings) => Backend;
  readonly open: (backend: Backend, more?: Partial<OpenSpec>) => Promise<LiveSession>;
};

export async function claudeBench(): Promise<ClaudeBench> {
  const dir = await tempDir();
  const model = await startScriptedModel({});
  const [home = '', userHome = '', project = ''] = ['home', 'user', 'project'].map((name) => join(dir.path, name));
  for (const path of [home, userHome, project]) await mkdir(path, { mode: 0o700 });
  const backends: Backend[] = [];
  return {
    home,
    project,
    model,
    backend: (own = {}) => {
      const backend = createClaudeBackend({
        id: 'claude',
        settings: { ...scriptedClaude(model.url), ...own },
        host: localHost,
        clock: systemClock,
        log: silentLog,
        book: new MemoryBook(),
        environment: environmentFor(userHome),
        home,
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
