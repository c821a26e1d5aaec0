import { fileURLToPath } from 'node:url';
import { createClaudeBackend } from '../../src/backends/claude/claude.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { claudeScenes, scriptedClaude } from '../support/claude.ts';
import { backendConformance, type Rig } from './backend-suite.ts';

const IMPOSTOR = fileURLToPath(new URL('../fixtures/claude/impostor.mjs', import.meta.url));
const impostor = (how: string): Rig['settings'] => ({ command: [process.execPath, IMPOSTOR, how] });

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
    attach: true,
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
      scenes: claudeScenes,
      release: (name) => model.release(name),
      requests: () => model.requests().map(({ body }) => body ?? ''),
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
});
