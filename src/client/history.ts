import type { HistoryMessage, HistorySession, HistorySource } from '../contract/history.ts';
import type { Client } from './client.ts';

/** Pages of an export: whole, one after the other. */
const PAGE = 500;

/**
 * All of a conversation of an agent program's own store, page by page.
 * @throws AppError not_found; what `call` throws
 */
export async function wholeConversation(
  client: Pick<Client, 'call'>,
  id: string,
  source: HistorySource | undefined,
): Promise<{ readonly session: HistorySession; readonly messages: readonly HistoryMessage[] }> {
  const found: HistoryMessage[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await client.call('history.messages', { id, source, after, limit: PAGE });
    found.push(...page.items);
    if (page.next === null) return { session: page.session, messages: found };
    after = page.next;
  }
}
