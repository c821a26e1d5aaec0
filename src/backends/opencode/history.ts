import type { Dialect, NativeEntry, NativeSession } from './dialect.ts';

const PAGE = 50;
/** Bounds what one turn's history may cost: 2,000 messages, one per model call. */
const MAX_PAGES = 40;
/** Sub-agents may have sub-agents. */
const MAX_DEPTH = 5;

/** A session's entries, oldest first, back to the first for which `isBefore` holds (not included), or the bound. */
export async function entriesSince(
  dialect: Dialect,
  sessionId: string,
  isBefore: (entry: NativeEntry) => boolean,
): Promise<readonly NativeEntry[]> {
  const found: NativeEntry[] = [];
  let before: string | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { entries, next } = await dialect.messages(sessionId, { limit: PAGE, before });
    const end = entries.findLastIndex(isBefore);
    found.unshift(...entries.slice(end + 1));
    if (end >= 0 || next === null) break;
    before = next;
  }
  return found;
}

/** The sub-agents' sessions of a session, theirs included, parents first. */
export async function descendants(dialect: Dialect, sessionId: string): Promise<readonly NativeSession[]> {
  const found: NativeSession[] = [];
  let level = [sessionId];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth += 1) {
    const children = (await Promise.all(level.map((id) => dialect.children(id)))).flat();
    found.push(...children);
    level = children.map(({ id }) => id);
  }
  return found;
}
