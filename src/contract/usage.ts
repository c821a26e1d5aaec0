import { z } from 'zod';

const count = z.number().int().nonnegative();

/** Tokens by kind as the agent program reported them; `costUsd` null means unknown, never free. */
export const Usage = z.object({
  inputTokens: count,
  outputTokens: count,
  reasoningTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  costUsd: z.number().nonnegative().nullable(),
  /** Source and date of the prices by which Gantry worked the cost out; absent where the agent program reported it. */
  pricedBy: z.string().optional(),
});
export type Usage = z.infer<typeof Usage>;

export const NO_USAGE: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  costUsd: null,
};

/** What OpenCode has counted, in our words. A cost of 0 for tokens means that the model has no price: unknown, not free. */
export const usageOf = (
  tokens: {
    readonly input: number;
    readonly output: number;
    readonly reasoning: number;
    readonly cache: { readonly read: number; readonly write: number };
  },
  costUsd: number | null,
): Usage => ({
  inputTokens: Math.round(tokens.input),
  outputTokens: Math.round(tokens.output),
  reasoningTokens: Math.round(tokens.reasoning),
  cacheReadTokens: Math.round(tokens.cache.read),
  cacheWriteTokens: Math.round(tokens.cache.write),
  costUsd: costUsd || null,
});

export const hasTokens = (u: Usage): boolean =>
  u.inputTokens + u.outputTokens + u.reasoningTokens + u.cacheReadTokens + u.cacheWriteTokens > 0;

/** The sum; its cost is known only if the cost of every part that used tokens is known. */
export function addUsage(a: Usage, b: Usage): Usage {
  const isUnknown = (hasTokens(a) && a.costUsd === null) || (hasTokens(b) && b.costUsd === null);
  const isNothing = a.costUsd === null && b.costUsd === null;
  const pricedBy = isUnknown ? [] : [...new Set([a.pricedBy, b.pricedBy].flatMap((by) => by?.split('; ') ?? []))];
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    costUsd: isUnknown || isNothing ? null : (a.costUsd ?? 0) + (b.costUsd ?? 0),
    ...(pricedBy.length > 0 && { pricedBy: pricedBy.join('; ') }),
  };
}
