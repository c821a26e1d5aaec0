import { expect, test } from 'vitest';
import { requireModel } from './model-filter.ts';

const models = { deny: ['openai/o1', 'gpt-4'], allowOnly: ['openai/o1', 'openai/gpt-4', 'qwen', 'router/a/b'] };

test.each([
  ['openai/o1', /denied by models.deny/],
  ['openai/gpt-4', /denied/],
  ['ollama/qwen', null],
  ['router/a/b', null],
  ['openai/gpt-5', /not in models.allowOnly; accepted: openai\/o1, /],
  [null, null],
])('%s', (model, refusal) => {
  const ask = () => requireModel(model, { models });
  if (refusal === null) expect(ask).not.toThrow();
  else expect(ask).toThrow(refusal);
});

test('a list that is empty allows none, no list allows all', () => {
  expect(() => requireModel('a/b', { models: { deny: [], allowOnly: [] } })).toThrow(/accepted: none/);
  expect(() => requireModel('a/b', { models: { deny: [], allowOnly: null } })).not.toThrow();
});
