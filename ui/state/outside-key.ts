import type { Fact } from '../../src/contract/fact.ts';

/** A session of an outside program by its own names; `key` stands for it where a session's id does. */
export type OutsideName = { readonly key: string; readonly source: string; readonly session: string };

const PREFIX = 'outside:';

export const outsideKey = (source: string, session: string): string =>
  `${PREFIX}${encodeURIComponent(source)}:${encodeURIComponent(session)}`;

/** Null for what is no such key. */
export function outsideOf(key: string): OutsideName | null {
  const [source, session] = key.startsWith(PREFIX) ? key.slice(PREFIX.length).split(':') : [];
  if (source === undefined || session === undefined) return null;
  return { key, source: decodeURIComponent(source), session: decodeURIComponent(session) };
}

/** The session that a fact is of: Gantry's own id, or the key of an outside program's; null if of none. */
export function keyOf(fact: Fact): string | null {
  if (fact.sessionId !== null) return fact.sessionId;
  return fact.kind === 'observed' ? outsideKey(fact.data.source_app, fact.data.session_id) : null;
}
