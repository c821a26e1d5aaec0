import type { Usage } from '../contract/usage.ts';
import type { Settings } from './settings.ts';

const MILLION = 1_000_000;

/**
 * The usage with its cost, where the agent program reports none and the price table knows the model. Reasoning is charged as
 * output. What is in no table stays unknown.
 */
export function priced(usage: Usage, model: string | null, prices: Settings['prices']): Usage {
  if (usage.costUsd !== null || model === null || !prices) return usage;
  const price = prices.models[model];
  if (!price) return usage;
  const { inputTokens, outputTokens, reasoningTokens, cacheReadTokens, cacheWriteTokens } = usage;
  const cost =
    inputTokens * price.input +
    (outputTokens + reasoningTokens) * price.output +
    cacheReadTokens * (price.cacheRead ?? price.input) +
    cacheWriteTokens * (price.cacheWrite ?? price.input);
  return { ...usage, costUsd: cost / MILLION };
}
