import type { Usage } from '../../contract/usage.ts';
import type { Settings } from '../settings.ts';
import { LIST_PRICES, PRICE_TABLE } from './price-table.ts';

const MILLION = 1_000_000;

type Price = {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number | undefined;
  readonly cacheWrite?: number | undefined;
  readonly pricedBy: string;
};

/**
 * The usage with its cost, where the agent program reports none and the model has a price: the configuration's, else that
 * of the built-in table. `pricedBy` names the table. Reasoning is charged as output. What is in no table stays unknown.
 */
export function priced(usage: Usage, model: string | null, configured: Settings['prices']): Usage {
  if (usage.costUsd !== null || model === null) return usage;
  const price = priceOf(model, configured);
  if (!price) return usage;
  const { inputTokens, outputTokens, reasoningTokens, cacheReadTokens, cacheWriteTokens } = usage;
  const cost =
    inputTokens * price.input +
    (outputTokens + reasoningTokens) * price.output +
    cacheReadTokens * (price.cacheRead ?? price.input) +
    cacheWriteTokens * (price.cacheWrite ?? price.input);
  return { ...usage, costUsd: cost / MILLION, pricedBy: price.pricedBy };
}

function priceOf(model: string, configured: Settings['prices']): Price | null {
  const own = configured?.models[model];
  if (configured && own) return { ...own, pricedBy: `${configured.source}, ${configured.date}` };
  const row = LIST_PRICES[model];
  if (!row) return null;
  const [input, output, cacheRead, cacheWrite] = row;
  return { input, output, cacheRead, cacheWrite, pricedBy: `${PRICE_TABLE.source}, ${PRICE_TABLE.date}` };
}
