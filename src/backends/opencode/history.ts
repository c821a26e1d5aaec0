import type { Dialect, NativeEntry, NativeSession } from './dialect.ts';

const PAGE = 50;
/** Bounds what one turn's history may cost: 2,000 messages, one per model call. */
const MAX_PAGES = 40;
/** Sub-agents may have sub-agents. */
const MAX_DEPTH = 5;

/**
 * A session's entries in their order, back to the first for which `isBefore` holds (not included), or the bound. Entries
 * are asked from the newest on.
 */
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

/**
 * The entries from the first of these messages on. By their place, not by their time: a prompt that was sent again has
 * the time of the last sending (opencode-ai 1.18.33).
 */
export async function entriesFrom(
  dialect: Dialect,
  sessionId: string,
  messageIds: readonly string[],
): Promise<readonly NativeEntry[]> {
  const wanted = new Set(messageIds);
  return await entriesSince(dialect, sessionId, ({ message }) => {
    if (wanted.size === 0) return true;
    wanted.delete(message.id);
    return false;
  });
}

/** When what these entries tell began: the time of a prompt is not to be trusted, that of an answer is. */
export const beginOf = (entries: readonly NativeEntry[]): number =>
  Math.min(...entries.map(({ message }) => message.createdAt));

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

/** What these prompts have led to so far: in the session itself, and in those of its sub-agents. */
export async function historyOfTurn(
  dialect: Dialect,
  sessionId: string,
  promptIds: readonly string[],
): Promise<{
  readonly own: readonly NativeEntry[];
  readonly children: readonly { readonly session: NativeSession; readonly entries: readonly NativeEntry[] }[];
}> {
  const found = await entriesFrom(dialect, sessionId, promptIds);
  const first = found.findIndex(({ message }) => promptIds.includes(message.id));
  const own = first < 0 ? [] : found.slice(first);
  const since = beginOf(own);
  const children = await Promise.all(
    (await descendants(dialect, sessionId)).map(async (session) => ({
      session,
      entries: await entriesSince(dialect, session.id, ({ message }) => message.createdAt < since),
    })),
  );
  return { own, children };
}
