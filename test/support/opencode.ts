import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const AGENTS = new URL('../../agents/opencode/', import.meta.url);

/** The real program, as the tests' own manifest (`agents/opencode`) pins it. */
export function opencodeProgram(): string {
  const name = `opencode-${process.platform}-${process.arch}`;
  for (const variant of [name, `${name}-baseline`, `${name}-musl`]) {
    const path = fileURLToPath(new URL(`node_modules/${variant}/bin/opencode`, AGENTS));
    if (existsSync(path)) return path;
  }
  throw new Error(
    `opencode is not installed below ${createRequire(AGENTS).resolve('./package.json')}: npm test installs it`,
  );
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
      },
    },
  },
});

/** The words of a prompt that make the scripted model take these steps. */
export const scriptedPrompt = (...steps: readonly object[]): string => `@@model ${JSON.stringify(steps)}`;
