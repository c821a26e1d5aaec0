import { describe, expect, it } from 'vitest';
import { sampleRequest, sampleTask } from '../../test/support/rows.ts';
import { NO_USAGE } from '../contract/usage.ts';
import { overBudget } from './budget.ts';

const costing = (costUsd: number | null) => sampleTask(1, { usage: { ...NO_USAGE, inputTokens: 10, costUsd } });
const request = (budgetUsd: number | null) => {
  const sample = sampleRequest();
  return { ...sample, plan: null, options: { ...sample.options, budgetUsd } };
};
const none = { taskUsd: null, requestUsd: null };

describe('overBudget', () => {
  it('stops a task over its own limit, and says both sums', () => {
    const failure = overBudget(costing(0.9), request(null), [], { ...none, taskUsd: 0.75 });
    expect(failure).toMatchObject({ class: 'budget', message: 'the task has cost $0.9000, its limit is $0.75' });
  });

  it('adds up all tasks of the request; its own limit beats the configured one', () => {
    const tasks = [costing(0.4), costing(0.4)];
    expect(overBudget(costing(0.4), request(null), tasks, { ...none, requestUsd: 0.5 })?.message).toContain(
      'the request has cost $0.8000',
    );
    expect(overBudget(costing(0.4), request(1), tasks, { ...none, requestUsd: 0.5 })).toBeNull();
  });

  it('does not take an unknown cost for a known one', () => {
    expect(overBudget(costing(null), request(0.01), [costing(null)], { ...none, taskUsd: 0.01 })).toBeNull();
  });
});
