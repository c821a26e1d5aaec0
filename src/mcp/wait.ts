import { isDelegationOver } from '../contract/delegation.ts';
import type { DelegationView } from '../contract/delegation-operations.ts';
import type { ToolContext } from './tool.ts';

/** A call that waits longer than this is asked again: a connection must not look dead. */
const ONE_WAIT_MS = 25_000;

/** The task as it is when it has ended, or after `waitMs`; what happens meanwhile is told as progress. */
export async function waitForEnd(
  { client, signal, progress }: ToolContext,
  id: string,
  waitMs: number,
  first?: DelegationView,
): Promise<DelegationView> {
  const end = performance.now() + waitMs;
  let view = first;
  // A task that was just handed over is told from its beginning, another one from now.
  let since = first ? 0 : undefined;
  for (;;) {
    const left = Math.max(0, Math.round(end - performance.now()));
    if (view && (isDelegationOver(view.status) || left === 0)) return view;
    const input = { id, since, limit: 100, waitMs: Math.min(left, ONE_WAIT_MS) };
    const answer = await client.call('delegations.get', input, { signal });
    if (since !== undefined) for (const event of answer.events) progress?.(event.message);
    since = answer.next;
    view = answer.view;
  }
}
