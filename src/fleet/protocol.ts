import type { Capability } from '../backends/backend.ts';

/** Of the words between a control plane and a node (`wire.ts`). */
export const PROTOCOL = 1;

/** Why a connection was closed. */
export const CLOSED = {
  /** The plane will not have this node; trying again would end the same. */
  refused: 4_400,
  /** The token has ended. */
  revoked: 4_401,
  /** Another node of that name is connected. */
  nameTaken: 4_409,
  /** The node has left: it does not come back with what it had. */
  left: 4_001,
} as const;

/** Of one message, bytes; whatever is larger goes in parts or not at all. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** What an agent on another machine can do: a person here has no terminal there, and nothing there outlives the link. */
export const NOT_REMOTE: readonly Capability[] = ['attach', 'survivesRestart'];

/** What somebody said, if it is JSON; null is no message. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}
