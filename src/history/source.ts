import { redact } from '../base/redact.ts';
import type { HistoryHit, HistoryMessage, HistoryPart, HistorySession } from '../contract/history.ts';
import { wordsOf } from './opencode-rows.ts';

/** One store of conversations: a database, or a directory of transcripts. Reading never writes and never waits for a writer. */
export type Source = {
  readonly source: HistorySession['source'];
  readonly store: string;
  /** Newest first. */
  readonly sessions: (limit: number) => Promise<readonly HistorySession[]>;
  /** Null if it has no such session. */
  readonly session: (id: string) => Promise<HistorySession | null>;
  /** In their order, after the message `after`. */
  readonly messages: (
    id: string,
    page: { readonly after: string | null; readonly limit: number },
  ) => Promise<readonly HistoryMessage[]>;
  /** Newest first, as far as the signal lets it look. */
  readonly search: (text: string, limit: number, signal: AbortSignal) => Promise<readonly HistoryHit[]>;
};

const AROUND = 80;

/**
 * The words around the first place where `text` (in lower case) is; null if it is nowhere. Secrets are masked before it is
 * cut out, as their names may be cut off.
 */
export function excerptOf(parts: readonly HistoryPart[], text: string): string | null {
  const wordsIn = (said: readonly HistoryPart[]): string => said.map(wordsOf).join('\n');
  // Masking costs far more than looking.
  if (!wordsIn(parts).toLowerCase().includes(text)) return null;
  const whole = wordsIn(redact(parts));
  const at = whole.toLowerCase().indexOf(text);
  if (at < 0) return null;
  const from = Math.max(0, at - AROUND);
  const to = Math.min(whole.length, at + text.length + AROUND);
  const words = whole.slice(from, to).replace(/\s+/g, ' ').trim();
  return `${from > 0 ? '…' : ''}${words}${to < whole.length ? '…' : ''}`;
}
