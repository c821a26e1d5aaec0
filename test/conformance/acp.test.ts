import { join } from 'node:path';
import { vi } from 'vitest';
import { createAcpBackend } from '../../src/backends/acp/acp.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { oddAgent, opencodeAcp } from '../support/acp.ts';
import { opencodeScenes, scriptedConfig } from '../support/opencode.ts';
import { backendConformance, type Rig } from './backend-suite.ts';

/** Every session is a program that takes seconds to start, twice as long on a loaded machine; a law opens up to three. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const NO_REASON = 'ACP carries no reason with a refusal, and OpenCode ends the turn at one';

backendConformance({
  name: 'acp, with opencode acp',
  capabilities: {
    resume: true,
    fork: true,
    steer: false,
    interrupt: true,
    questions: false,
    children: false,
    mcp: true,
    reasoning: true,
    cost: true,
    transcript: true,
    survivesRestart: false,
    attach: false,
  },
  exceptions: [
    { law: 'the reason of a denial reaches the agent, and the command does not run', reason: NO_REASON },
    { law: 'a limit of the provider has its class', reason: 'ACP has one code for every failure of a model' },
    {
      law: 'a fork works where it is told to, and is resumed there',
      reason: 'ACP does not tell where a fork works, and OpenCode’s hangs in another directory: it is refused',
    },
  ],
  setup: async (root): Promise<Rig> => {
    const model = await startScriptedModel({});
    return {
      id: 'oc',
      create: createAcpBackend,
      settings: await opencodeAcp(join(root, 'config'), scriptedConfig(model.url)),
      broken: {
        missing: { acp: ['/nowhere/agent'] },
        wrongVersion: oddAgent('wrong-version'),
        diesAtOnce: oddAgent('dies-at-once'),
        neverReady: oddAgent('never-ready'),
      },
      scenes: opencodeScenes,
      release: (name) => model.release(name),
      // ACP gives a session no title, so that OpenCode asks the model for one.
      requests: () => model.requests().flatMap(({ body }) => (body?.includes('title generator') ? [] : [body ?? ''])),
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
});
