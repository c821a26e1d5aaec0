import type { Config } from '../../src/contract/config.ts';
import { opencodeProgram, scriptedConfig, scriptedPrompt } from '../support/opencode.ts';

/** A fake agent, started from the built program. */
export const fakeConfig: Config = {
  defaultBackend: 'fake',
  backends: { fake: {} },
  policy: { default: 'allow' },
  limits: { maxParallel: 20 },
};

/** Real OpenCode on the scripted model, with a home of its own. */
export const opencodeConfig = (modelUrl: string): Config => ({
  defaultBackend: 'opencode',
  backends: { opencode: { command: [opencodeProgram()], profile: 'private', config: scriptedConfig(modelUrl) } },
  policy: { default: 'allow' },
  limits: { maxParallel: 20 },
});

/** Prompts that make each agent say a word, and write a file and then say a word. */
export const PROMPTS = {
  fake: {
    say: '@@fake [{"text":"done"}]',
    write: '@@fake [{"write":{"path":"made.txt","content":"made"}},{"text":"done"}]',
  },
  opencode: {
    say: scriptedPrompt({ text: 'done' }),
    write: scriptedPrompt(
      { tools: [{ name: 'write', input: { filePath: 'made.txt', content: 'made' } }] },
      { text: 'done' },
    ),
  },
} as const;

export type AgentName = keyof typeof PROMPTS;
