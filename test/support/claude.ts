import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BackendSettings } from '../../src/contract/config.ts';
import { scriptedPrompt } from './opencode.ts';

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

/** The name and input of the tool that carries something out, for a step of the scripted model. */
export const claudeTools = {
  bash: (command: string) => ({ name: 'Bash', input: { command, description: 'a command of the test' } }),
  write: (path: string, content: string) => ({ name: 'Write', input: { file_path: path, content } }),
  question: (question: string, labels: readonly string[]) => {
    const options = labels.map((label) => ({ label, description: label }));
    return {
      name: 'AskUserQuestion',
      input: { questions: [{ question, header: 'One', options, multiSelect: false }] },
    };
  },
  child: (...steps: readonly object[]) => ({
    name: 'Agent',
    input: { description: 'part of it', prompt: scriptedPrompt(...steps), subagent_type: 'general-purpose' },
  }),
};
