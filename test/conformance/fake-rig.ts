import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backend, BackendContext, Capabilities } from '../../src/backends/backend.ts';
import { createBackends } from '../../src/backends/registry.ts';
import { COMPILE_CACHE } from '../support/temp.ts';
import type { Rig } from './backend-suite.ts';

const play = (...steps: readonly object[]): string => `@@fake ${JSON.stringify(steps)}`;
const heard = { text: 'heard: {{lastToolOutput}}' };

/** What it must show: written down here, not taken from its driver. */
export const FAKE_CAPABILITIES: Capabilities = {
  resume: true,
  fork: true,
  steer: true,
  interrupt: true,
  questions: true,
  children: true,
  mcp: false,
  reasoning: true,
  cost: true,
  transcript: true,
  survivesRestart: false,
  attach: true,
};

export function fakeBackend(context: BackendContext): Backend {
  const backend = createBackends([context.id], () => context).get(context.id);
  if (!backend) throw new Error('the registry gave no backend');
  return backend;
}

/** The fake agent, made ready for the suite. */
export async function fakeRig(root: string): Promise<Rig> {
  const control = join(root, 'control');
  const log = join(root, 'agent.log');
  await mkdir(control);
  const env = { ...COMPILE_CACHE, GANTRY_FAKE_CONTROL: control, GANTRY_FAKE_LOG: log };
  const start = (words: string): Rig['settings'] => ({ env: { ...env, GANTRY_FAKE_START: words } });
  return {
    id: 'fake',
    create: fakeBackend,
    settings: { env },
    broken: {
      missing: { command: [join(root, 'no-such-agent')] },
      wrongVersion: start('version=9.0.0'),
      diesAtOnce: start('exit=3'),
      neverReady: start('never-ready'),
    },
    scenes: {
      answer: (text, chunks) => play({ text, chunks }),
      reason: (reasoning, text) => play({ reasoning, text }),
      write: (path, content) => play({ write: { path, content } }),
      run: (command, how) => {
        const child = how?.from === 'child' ? { child: true } : {};
        return play({ ...child, run: { command } }, how?.hold === undefined ? heard : { hold: how.hold, ...heard });
      },
      callMcp: (server, tool, input) => play({ tools: [{ name: `${server}_${tool}`, input }] }, heard),
      question: (question, labels) =>
        play({ question: { question, options: labels.map((label) => ({ label, description: '' })) } }, heard),
      hold: (name, text) => play({ hold: name, text }),
      fail: () => play({ fail: { class: 'model', message: 'the model is broken' } }),
      limit: () => play({ fail: { class: 'rate', message: 'too many requests', resetAt: Date.now() + 60_000 } }),
      use: () => {
        const tokens = {
          inputTokens: 100,
          outputTokens: 20,
          reasoningTokens: 5,
          cacheReadTokens: 40,
          cacheWriteTokens: 3,
        };
        const usage = { ...tokens, costUsd: 0.25 };
        return { text: play({ text: 'used', usage }), usage };
      },
    },
    release: (name) => writeFile(join(control, name), ''),
    requests: async () => {
      const lines = existsSync(log) ? (await readFile(log, 'utf8')).split('\n').slice(0, -1) : [];
      return lines.filter((line) => JSON.parse(line).kind === 'request');
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
