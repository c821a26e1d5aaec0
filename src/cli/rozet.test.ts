import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Config } from '../contract/config.ts';
import { AppError } from '../contract/errors.ts';
import { ROZET_VARIABLES } from '../daemon/rozet-variables.ts';
import { readRozet } from './rozet.ts';

const read = (yaml: string, exists = true) => readRozet(yaml, '/project/providers.yaml', () => exists);
const fault = (yaml: string): string => {
  try {
    read(yaml);
  } catch (error) {
    if (error instanceof AppError && error.code === 'bad_config') return error.message;
    throw error;
  }
  return 'no fault';
};
const ORCHESTRATOR = 'orchestrator:\n  provider: openai\n  model: gpt-5-nano\n';

describe('import of a providers.yaml', () => {
  it('takes over every key that Gantry has a word for', () => {
    const { config, notices } = read(`orchestrator:
  provider: openai
  model: openai/gpt-5-nano
  temperature: 0.0
  endpoint: https://openrouter.ai/api/v1
  system_prompt_path: prompts/planner.md
  budget_usd: 2
workers:
  coder: { provider: gemini, model: gemini-3, temperature: 0.2 }
credentials:
  openai: OPENROUTER_API_KEY
  anthropic: ANTHROPIC_API_KEY
budget:
  max_session_usd: 5.0
  max_task_usd: 0.75
opencode:
  disabled_models: [openai/o1]
  allowed_models_only: true
  allowed_models: [google/gemini-3]
  provider_priority: [openai, gemini]
`);
    expect(config).toEqual({
      planner: {
        model: 'openrouter/openai/gpt-5-nano',
        temperature: 0,
        endpoint: 'https://openrouter.ai/api/v1',
        promptFile: '/project/prompts/planner.md',
        budgetUsd: 2,
        credential: 'OPENROUTER_API_KEY',
      },
      roles: { coder: { backend: 'opencode', model: 'google/gemini-3' } },
      limits: { requestUsd: 5, taskUsd: 0.75 },
      models: { deny: ['openai/o1'], allowOnly: ['google/gemini-3'] },
    });
    expect(Config.safeParse(config).success).toBe(true);
    expect(notices).toEqual([
      'credentials.anthropic has no effect: agent programs have a login of their own',
      'workers.coder.temperature has no effect: the agent program decides this',
      'opencode.provider_priority has no effect: a model is never changed silently',
    ]);
  });

  it('reads sections that hold only comments as empty', () => {
    expect(read(`${ORCHESTRATOR}workers:\n  # none\nbudget:\nopencode:\n  allowed_models:\n`).config).toEqual({
      planner: { model: 'openai/gpt-5-nano' },
    });
  });

  it('asks OpenRouter with its own key, Ollama below /v1, and takes over the budget of a worker', () => {
    const openRouter = read(
      `${ORCHESTRATOR}  endpoint: https://openrouter.ai/api/v1\ncredentials: {openai: OPENAI_API_KEY}\n`,
    );
    expect(openRouter.config.planner).not.toHaveProperty('credential');
    expect(openRouter.notices).toContain(
      'credentials.openai has no effect: OpenRouter is asked with OPENROUTER_API_KEY',
    );
    const ollama = read('orchestrator: {provider: ollama, model: qwen, endpoint: "http://localhost:11434/"}');
    expect(ollama.config.planner?.endpoint).toBe('http://localhost:11434/v1');
    const { config } = read(`${ORCHESTRATOR}workers: {fast: {provider: gemini, model: flash, budget_usd: 0.05}}\n`);
    expect(config.roles).toEqual({ fast: { backend: 'opencode', model: 'google/flash', taskUsd: 0.05 } });
  });

  it('finds the prompt as Rozet does: from the folder above config/', () => {
    const yaml = `${ORCHESTRATOR}  system_prompt_path: prompts/x.md\n`;
    const there = readRozet(yaml, '/rozet/config/providers.yaml', (path) => path === '/rozet/prompts/x.md');
    expect(there.config.planner?.promptFile).toBe('/rozet/prompts/x.md');
    const beside = readRozet(yaml, '/rozet/providers.yaml', () => true);
    expect(beside.config.planner?.promptFile).toBe('/rozet/prompts/x.md');
  });

  it('never doubles the label of a provider', () => {
    expect(read('orchestrator: {provider: openai, model: openai/gpt-5}').config.planner?.model).toBe('openai/gpt-5');
  });

  it('says that OpenRouter cannot know a bare model name, and that a prompt file is missing', () => {
    const yaml = `${ORCHESTRATOR}  endpoint: https://openrouter.ai/api/v1\n  system_prompt_path: gone.md\n`;
    expect(read(yaml, false).notices).toEqual([
      'orchestrator.system_prompt_path: /project/gone.md is not there; left out',
      'orchestrator.model: OpenRouter does not know "gpt-5-nano"; it wants a name such as openai/gpt-5-nano',
    ]);
  });

  it.each([
    [
      'an unknown key, with the nearest name',
      `${ORCHESTRATOR}  temprature: 1\n`,
      '/project/providers.yaml:4: orchestrator.temprature: unknown key (did you mean "temperature"?)',
    ],
    [
      'a wrong type',
      `${ORCHESTRATOR}budget:\n  max_task_usd: much\n`,
      '/project/providers.yaml:5: budget.max_task_usd: ',
    ],
    ['a bad address', `${ORCHESTRATOR}  endpoint: nowhere\n`, '/project/providers.yaml:4: orchestrator.endpoint: '],
    ['what is not YAML', 'orchestrator: [', '/project/providers.yaml:1: not valid YAML'],
    ['an alias of nothing', '*x', '/project/providers.yaml: not valid YAML: Unresolved alias'],
  ])('refuses %s, with its line', (_what, yaml, message) => {
    expect(fault(yaml)).toContain(message);
  });

  it('refuses a key in place of a name without showing it', () => {
    for (const key of ['sk-proj-abcdef0123456789', 'AKIAABCDEFGHIJKLMNOP']) {
      expect(fault(`${ORCHESTRATOR}credentials:\n  openai: ${key}\n`)).toBe(
        '/project/providers.yaml:5: credentials.openai: the NAME of a variable belongs here, not a key',
      );
    }
  });
});

it('the guide says of each of its variables what says the same', () => {
  const guide = readFileSync(new URL('../../docs/rozet.md', import.meta.url), 'utf8');
  const unsaid = Object.keys(ROZET_VARIABLES).filter(
    (name) => !new RegExp(`^\\| .*\`${name}\`.* \\|`, 'm').test(guide),
  );
  expect(unsaid).toEqual([]);
});
