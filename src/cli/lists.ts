import type { Style } from './output.ts';

/** The colour of a state, the same everywhere. */
export function stateStyle(state: string): Style | null {
  if (['done', 'idle', 'ok', 'allowed', 'answered', 'active'].includes(state)) return 'green';
  if (['failed', 'error', 'denied', 'lost', 'problem'].includes(state)) return 'red';
  if (['waiting', 'paused', 'deferred', 'planned', 'pending', 'notice', 'expired'].includes(state)) return 'yellow';
  if (['working', 'running', 'planning', 'verifying', 'assigned', 'starting'].includes(state)) return 'cyan';
  return 'dim';
}

/** `-` for what there is not. */
export const orDash = (text: string | null | undefined): string =>
  text === null || text === undefined || text === '' ? '-' : text;
