/** The newest first: it is offered to a client that asks for one that is not served. */
export const SESSION_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26'] as const;
/** Served without sessions. */
export const STATELESS_VERSION = '2026-07-28';
