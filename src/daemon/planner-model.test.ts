import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PlanAsk } from '../engine/planning/planner.ts';
import { startScriptedModel } from '../models/scripted/server.ts';
import { plannerModel } from './planner-model.ts';

let project: string;
beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'gantry-planner-'));
});
afterEach(() => rm(project, { recursive: true }));

const planner = { model: 'mine/x', maxTasks: 6, timeout: 20_000 };
const ask = (settings: Parameters<typeof plannerModel>[0], environment = {}): ReturnType<PlanAsk> => {
  const model = plannerModel(settings, environment, project);
  if (model === null) throw new Error('no planner model');
  return model({ system: 'plan', user: 'do it', signal: new AbortController().signal });
};

test('asks the model that the configuration names, with its usage', async () => {
  await using server = await startScriptedModel({
    script: { rules: [{ when: { prompt: 'do it', system: 'plan' }, steps: [{ text: '{"reply":"hi"}' }] }] },
  });
  const answer = await ask({ planner: { ...planner, endpoint: `${server.url}/v1` } });
  expect(answer.text).toBe('{"reply":"hi"}');
  expect(answer.usage.inputTokens).toBeGreaterThan(0);
});

test('without a model of its own, a backend plans', () => {
  expect(plannerModel({ planner: { maxTasks: 6, timeout: 1 } }, {}, project)).toBeNull();
});

test.each([
  ['no_key', { ...planner, model: 'openai/x' }],
  ['unreachable', { ...planner, endpoint: 'http://127.0.0.1:9/v1', timeout: 20_000 }],
])('a failure has the reason %s', async (reason, failing) => {
  await expect(ask({ planner: failing })).rejects.toMatchObject({ reason });
});

test('a denied model is not asked', async () => {
  const models = { deny: ['x'], allowOnly: null };
  await expect(ask({ planner, models })).rejects.toMatchObject({
    reason: 'no_model',
    detail: expect.stringContaining('models.deny'),
  });
});
