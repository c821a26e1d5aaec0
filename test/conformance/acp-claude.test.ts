import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { createAcpBackend } from '../../src/backends/acp/acp.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { oddAgent } from '../support/acp.ts';
import { claudeProgram, claudeScenes, scriptedClaude } from '../support/claude.ts';
import { backendConformance, type Rig } from './backend-suite.ts';

const AGENTS = new URL('../../agents/acp/', import.meta.url);
const ADAPTER = fileURLToPath(new URL('node_modules/.bin/claude-agent-acp', AGENTS));

/** Every session is two programs that take seconds to start; a law opens up to three. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

backendConformance({
  name: 'acp, with the adapter of Claude Code',
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
    {
      law: 'the reason of a denial reaches the agent, and the command does not run',
      reason: 'ACP carries no reason with a refusal, and the adapter ends the turn at one',
    },
    ...[
      'an allow is for once: the same command asks again',
      'an answer that does not fit the question is refused',
      'an interrupted turn takes its open question back',
    ].map((law) => ({ law, reason: 'Claude Code does not ask for a command that only reads, as the law’s echo' })),
    {
      law: "usage is the provider's count",
      reason: 'its sum of costs holds what Claude Code asks the model beside the turns, as for a title',
    },
    {
      law: 'kill -9 in a tool: it is noted as interrupted and not run again',
      reason: 'Claude Code outlives the adapter for a moment and notes the tool as killed; it is not run again',
    },
    {
      law: 'a fork knows what was said and leaves the original alone',
      reason: 'the adapter prices the turns of a fork at half of those of the original',
    },
    { law: 'a limit of the provider has its class', reason: 'ACP has one code for every failure of a model' },
    {
      law: 'a fork works where it is told to, and is resumed there',
      reason: 'ACP does not tell where a fork works, and OpenCode’s hangs in another directory: it is refused',
    },
  ],
  setup: async (): Promise<Rig> => {
    const model = await startScriptedModel({});
    const { env } = scriptedClaude(model.url);
    return {
      id: 'cc',
      create: createAcpBackend,
      settings: {
        acp: [ADAPTER],
        profile: 'private',
        config: { mode: 'default' },
        env: {
          ...env,
          CLAUDE_CODE_EXECUTABLE: claudeProgram(),
          CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
          DISABLE_AUTOUPDATER: '1',
        },
      },
      broken: {
        missing: { acp: ['/nowhere/agent'] },
        wrongVersion: oddAgent('wrong-version'),
        diesAtOnce: oddAgent('dies-at-once'),
        neverReady: oddAgent('never-ready'),
      },
      scenes: {
        ...claudeScenes,
        use: () => {
          const { text, usage } = claudeScenes.use();
          // ACP's answer has thoughts among the words; the adapter's default model has another price.
          return { text, usage: { ...usage, outputTokens: 50, reasoningTokens: 0, costUsd: 0.00696 } };
        },
      },
      asksBeside: true,
      release: (name) => model.release(name),
      // The adapter asks the model for a title of each session.
      requests: () =>
        model.requests().flatMap(({ body }) => (body?.includes('You are naming a coding session') ? [] : [body ?? ''])),
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
});
