import { z } from 'zod';
import { type Usage, usageOf } from './usage.ts';

const count = z.number().int().nonnegative().default(0);

/** A finished message of a model, as the OpenCode plugin tells of it. */
const Finished = z.object({
  tokens: z.object({
    input: count,
    output: count,
    reasoning: count,
    cache: z.object({ read: count, write: count }).default({ read: 0, write: 0 }),
  }),
  cost_usd: z.number().nonnegative().nullish(),
});

/** What an event says was used; null if it says nothing of it. */
export function eventUsage(type: string, payload: Readonly<Record<string, unknown>>): Usage | null {
  const found = type === 'AssistantMessage' ? Finished.safeParse(payload).data : undefined;
  return found ? usageOf(found.tokens, found.cost_usd ?? null) : null;
}
