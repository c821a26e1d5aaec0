import type { ServerContext } from '@modelcontextprotocol/server';

/** At most four a second, and the last. */
const EVERY_MS = 250;

/** Tells a caller that asked for it how far a call is; null if it did not. What comes too fast is replaced by what is newer. */
export function progressTeller(
  context: ServerContext,
): { readonly tell: (message: string) => void; readonly end: () => Promise<void> } | null {
  const progressToken = context.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return null;
  let count = 0;
  let waiting: string | null = null;
  let sentAt = Number.NEGATIVE_INFINITY;
  const send = async (message: string): Promise<void> => {
    waiting = null;
    sentAt = performance.now();
    await context.mcpReq
      .notify({ method: 'notifications/progress', params: { progressToken, progress: count, message } })
      // Who has gone wants no progress; the answer says the rest.
      .catch(() => undefined);
  };
  return {
    tell: (message) => {
      count += 1;
      if (performance.now() - sentAt >= EVERY_MS) void send(message);
      else waiting = message;
    },
    end: async () => {
      if (waiting !== null) await send(waiting);
    },
  };
}
