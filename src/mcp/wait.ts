import { isDelegationOver } from '../contract/delegation.ts';
import type { DelegationView } from '../contract/delegation-operations.ts';
import { toAppError } from '../contract/errors.ts';
import { askAtClient } from './elicit.ts';
import type { ToolContext } from './tool.ts';

/** A call that waits longer than this is asked again: a connection must not look dead. */
const ONE_WAIT_MS = 25_000;

/**
 * The task as it is when it has ended, or after `waitMs`; what happens meanwhile is told as progress, and what it waits for is
 * put to the person at the client.
 */
export async function waitForEnd(
  context: ToolContext,
  id: string,
  waitMs: number,
  first?: DelegationView,
): Promise<DelegationView> {
  const { client, signal, progress } = context;
  const end = performance.now() + waitMs;
  const over = new AbortController();
  const ask = asker(context, id, over.signal);
  let view = first;
  // A task that was just handed over is told from its beginning, another one from now.
  let since = first ? 0 : undefined;
  try {
    for (;;) {
      const left = Math.max(0, Math.round(end - performance.now()));
      if (view && (isDelegationOver(view.status) || left === 0)) return view;
      ask(view?.blockedOn?.id ?? null);
      const input = { id, since, limit: 100, waitMs: Math.min(left, ONE_WAIT_MS) };
      const answer = await client.call('delegations.get', input, { signal });
      if (since !== undefined) for (const event of answer.events) progress?.(event.message);
      since = answer.next;
      view = answer.view;
    }
  } finally {
    over.abort();
  }
}

/** Asks the person at the client about each approval once, and waits for no answer: it may be given elsewhere. */
function asker(context: ToolContext, id: string, over: AbortSignal): (approval: string | null) => void {
  const asked = new Set<string>();
  return (approval) => {
    if (approval === null || asked.has(approval)) return;
    asked.add(approval);
    askAtClient(context, id, approval, over).catch((error: unknown) => {
      if (!over.aborted) context.progress?.(`the person could not be asked here: ${toAppError(error).message}`);
    });
  };
}
