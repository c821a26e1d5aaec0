import { fileURLToPath } from 'node:url';
import { createOpencodeBackend } from '../../src/backends/opencode/opencode.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { opencodeProgram, opencodeScenes, scriptedConfig } from '../support/opencode.ts';
import { backendConformance, type Rig } from './backend-suite.ts';

const IMPOSTOR = fileURLToPath(new URL('../fixtures/opencode/impostor.mjs', import.meta.url));
const impostor = (how: string): Rig['settings'] => ({ command: [process.execPath, IMPOSTOR, how] });

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
    attach: true,
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
      scenes: opencodeScenes,
      release: (name) => model.release(name),
      requests: () => model.requests().map(({ body }) => body ?? ''),
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
});
