import { fileURLToPath } from 'node:url';
import { createClaudeBackend } from '../../src/backends/claude/claude.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { claudeTools, scriptedClaude } from '../support/claude.ts';
import { scriptedPrompt as play } from '../support/opencode.ts';
import { backendConformance, type Rig } from './backend-suite.ts';

const IMPOSTOR = fileURLToPath(new URL('../fixtures/claude/impostor.mjs', import.meta.url));
const impostor = (how: string): Rig['settings'] => ({ command: [process.execPath, IMPOSTOR, how] });

const heard = { text: 'heard: {{lastToolOutput}}' };
const { run: bash, write, question, child } = claudeTools;

backendConformance({
  name: 'claude',
  capabilities: {
    resume: true,
    fork: true,
    steer: true,
    interrupt: true,
    questions: true,
    children: true,
    mcp: true,
    reasoning: true,
    cost: true,
    transcript: true,
    survivesRestart: false,
  },
  exceptions: [],
  setup: async (): Promise<Rig> => {
    const model = await startScriptedModel({});
    return {
      id: 'claude',
      create: createClaudeBackend,
      settings: scriptedClaude(model.url),
      broken: {
        missing: { command: ['/nowhere/claude'] },
        wrongVersion: impostor('wrong-version'),
        diesAtOnce: impostor('dies-at-once'),
        neverReady: impostor('never-ready'),
      },
      scenes: {
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
      },
      release: (name) => model.release(name),
      requests: () => model.requests().map(({ body }) => body ?? ''),
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
});
