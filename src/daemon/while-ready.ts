import type { Handlers } from '../api/handlers.ts';
import { OPERATIONS, type OperationName } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';

/** Refuses what changes something while the daemon is not ready: such a call may be made again. Reading works, and so does stopping. */
export function whileReady(handlers: Handlers, notReady: () => string | null): Handlers {
  const entries = Object.entries(handlers).map(([name, handler]) => {
    const isFree = OPERATIONS[name as OperationName].method === 'GET' || name === 'shutdown';
    const gated = (input: unknown, caller: Caller): unknown => {
      const reason = notReady();
      if (reason !== null) throw new AppError('overloaded', reason);
      return (handler as (input: unknown, caller: Caller) => unknown)(input, caller);
    };
    return [name, isFree ? handler : gated];
  });
  return Object.fromEntries(entries) as Handlers;
}
