import { fileURLToPath } from 'node:url';
import { createOpencodeBackend } from '../../src/backends/opencode/opencode.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { opencodeProgram, scriptedConfig, scriptedPrompt } from '../support/opencode.ts';
import { backendConformance, type Rig } from './backend-suite.ts';

const IMPOSTOR = fileURLToPath(new URL('../fixtures/opencode/impostor.mjs', import.meta.url));
const impostor = (how: string): Rig['settings'] => ({ command: [process.execPath, IMPOSTOR, how] });

const play = scriptedPrompt;
const heard = { text: 'heard: {{lastToolOutput}}' };
const bash = (command: string): object => ({
  tools: [{ name: 'bash', input: { command, description: 'a command of the test' } }],
});

backendConformance({
  name: 'opencode',
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
    survivesRestart: true,
  },
  exceptions: [],
  setup: async (): Promise<Rig> => {
    const model = await startScriptedModel({});
    return {
      id: 'opencode',
      create: createOpencodeBackend,
      settings: { command: [opencodeProgram()], profile: 'private', config: scriptedConfig(model.url) },
      broken: {
        missing: { command: ['/nowhere/opencode'] },
        wrongVersion: impostor('wrong-version'),
        diesAtOnce: impostor('dies-at-once'),
        neverReady: impostor('never-ready'),
      },
      scenes: {
        answer: (text, chunks) => play(chunks === undefined ? { text } : { text, chunks }),
        reason: (reasoning, text) => play({ reasoning, text }),
        write: (path, content) => play({ tools: [{ name: 'write', input: { filePath: path, content } }] }, heard),
        run: (command, how) => {
          const end = how?.hold === undefined ? heard : { hold: how.hold, ...heard };
          if (how?.from !== 'child') return play(bash(command), end);
          const input = { description: 'part of it', prompt: play(bash(command), heard), subagent_type: 'general' };
          return play({ tools: [{ name: 'task', input }] }, end);
        },
        callMcp: (server, tool, input) => play({ tools: [{ name: `${server}_${tool}`, input }] }, heard),
        question: (question, labels) => {
          const options = labels.map((label) => ({ label, description: label }));
          return play(
            { tools: [{ name: 'question', input: { questions: [{ question, header: 'One', options }] } }] },
            heard,
          );
        },
        hold: (name, text) => play({ hold: name, text }),
        fail: () => play({ error: { status: 400, message: 'the model is broken' } }),
        // A 429 is repeated by OpenCode for more than a minute.
        limit: () => play({ error: { status: 402, message: 'no money is left' } }),
        use: () => ({
          text: play({ text: 'used', usage: { input: 1000, output: 50, cachedInput: 400, reasoning: 20 } }),
          usage: {
            inputTokens: 600,
            outputTokens: 30,
            reasoningTokens: 20,
            cacheReadTokens: 400,
            cacheWriteTokens: 0,
            costUsd: 0.00074,
          },
        }),
      },
      release: (name) => model.release(name),
      requests: () => model.requests().map(({ body }) => body ?? ''),
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
});
