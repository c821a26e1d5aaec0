import type { Style } from './output.ts';

/** The colour of a state, the same everywhere. */
export function stateStyle(state: string): Style | null {
  if (['done', 'idle', 'ok', 'allowed', 'answered', 'active', 'merged'].includes(state)) return 'green';
  if (['failed', 'error', 'denied', 'lost', 'problem', 'rejected', 'conflict', 'failing'].includes(state)) return 'red';
  if (['waiting', 'paused', 'deferred', 'planned', 'pending', 'notice', 'expired', 'reviewing'].includes(state))
    return 'yellow';
  if (['working', 'running', 'planning', 'verifying', 'assigned', 'starting', 'merging'].includes(state)) return 'cyan';
  return 'dim';
}

/** What stands in place of a table without rows; `otherwise` if no filter has left any out. */
export const emptyLine = (filters: readonly unknown[], otherwise: string): string =>
  filters.some((filter) => filter !== undefined) ? 'Nothing fits these filters.' : otherwise;

/** `-` for what there is not. */
export const orDash = (text: string | null | undefined): string =>
  text === null || text === undefined || text === '' ? '-' : text;
