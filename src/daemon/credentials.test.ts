import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { explainCredentials, plannerCredentials, plannerKeyNames } from './credentials.ts';

let project: string;
beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'gantry-credentials-'));
  await mkdir(join(project, 'credentials'));
});
afterEach(() => rm(project, { recursive: true }));

test.each([
  [{ model: 'openai/gpt-5' }, ['OPENAI_API_KEY']],
  [{ model: 'anthropic/claude' }, ['ANTHROPIC_API_KEY']],
  [{ model: 'google/gemini' }, ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY']],
  [{ model: 'ollama/qwen' }, []],
  [{ model: 'openrouter/openai/gpt-5' }, ['OPENROUTER_API_KEY']],
  [{ model: 'openai/gpt-5', endpoint: 'https://openrouter.ai/api/v1' }, ['OPENROUTER_API_KEY']],
  [{ model: 'openai/gpt-5', credential: 'MY_KEY' }, ['MY_KEY']],
  [{ model: 'mine/x', endpoint: 'http://127.0.0.1:1/v1' }, ['OPENAI_API_KEY']],
])('the key of %j is looked for in %j', (planner, names) => {
  expect(plannerKeyNames(planner)).toEqual(names);
});

test('the environment wins over .env, and that over credentials/.env; an empty value is none', async () => {
  const planner = { model: 'openrouter/x/y' };
  const get = (environment: Record<string, string>): unknown => {
    const { credential, headers } = plannerCredentials(planner, environment, project);
    return [credential?.value, credential?.source, headers];
  };
  await writeFile(join(project, 'credentials', '.env'), 'OPENROUTER_API_KEY=third\nOPENROUTER_X_TITLE="A title"\n');
  expect(get({})).toEqual(['third', join(project, 'credentials', '.env'), { 'X-Title': 'A title' }]);
  await writeFile(
    join(project, '.env'),
    'export OPENROUTER_API_KEY=second # $(touch evil)\nOPENROUTER_HTTP_REFERER=\n',
  );
  expect(get({})).toEqual(['second', join(project, '.env'), { 'X-Title': 'A title' }]);
  expect(get({ OPENROUTER_API_KEY: 'first' })).toEqual(['first', 'process environment', { 'X-Title': 'A title' }]);
  expect(plannerCredentials(planner, {}, null).credential).toBeNull();
});

test('explain shows names and sources, never values', async () => {
  await writeFile(join(project, '.env'), 'OPENROUTER_API_KEY=topsecret');
  const rows = explainCredentials({ model: 'openrouter/x/y' }, { OPENROUTER_X_TITLE: 'topsecret' }, project);
  expect(rows).toEqual([
    { key: 'credentials.OPENROUTER_API_KEY', value: '[set]', layer: 'project', source: join(project, '.env') },
    { key: 'credentials.OPENROUTER_HTTP_REFERER', value: null, layer: 'built-in', source: 'not set' },
    { key: 'credentials.OPENROUTER_X_TITLE', value: '[set]', layer: 'environment', source: 'process environment' },
  ]);
});
