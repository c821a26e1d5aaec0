import { type Ref, type ShallowRef, shallowRef, watch } from 'vue';
import type { FoundFact } from '../../src/contract/search-operations.ts';
import type { FactFilter } from './fact-filter.ts';
import { type Store, textOf } from './store.ts';

const PAGE = 50;
/** A person who types asks once. */
const TYPING_MS = 250;

export type JournalSearch = {
  /** Newest first. */
  readonly found: ShallowRef<readonly FoundFact[]>;
  readonly problem: ShallowRef<string | null>;
  readonly isSearching: ShallowRef<boolean>;
  /** Where it goes on; null where there is nothing older. */
  readonly cursor: ShallowRef<number | null>;
  readonly more: () => Promise<void>;
};

/** Words in all that the daemon keeps, page by page; null asks for nothing. */
export function useJournalSearch(store: Store, words: Ref<string | null>, filter: Ref<FactFilter>): JournalSearch {
  const found = shallowRef<readonly FoundFact[]>([]);
  const problem = shallowRef<string | null>(null);
  const isSearching = shallowRef(false);
  const cursor = shallowRef<number | null>(null);
  let round = 0;

  async function read(before: number | null): Promise<void> {
    const own = round;
    const { kind, outside, ...subject } = filter.value;
    isSearching.value = true;
    try {
      const page = await store.client.call('facts.search', {
        ...subject,
        ...(kind.length > 0 && { kind: [...kind] }),
        ...(outside && { source: [outside.source], session: [outside.session] }),
        ...(before !== null && { before }),
        q: words.value ?? '',
        limit: PAGE,
      });
      if (own !== round) return;
      found.value = [...found.value, ...page.items];
      cursor.value = page.nextCursor;
    } catch (error) {
      if (own === round) problem.value = textOf(error);
    } finally {
      if (own === round) isSearching.value = false;
    }
  }

  watch(
    [words, filter, store.generation],
    (_now, _before, onCleanup) => {
      round += 1;
      [found.value, problem.value, cursor.value] = [[], null, null];
      isSearching.value = words.value !== null;
      if (words.value === null) return;
      const timer = setTimeout(() => void read(null), TYPING_MS);
      onCleanup(() => clearTimeout(timer));
    },
    { immediate: true },
  );
  const more = async (): Promise<void> => {
    if (cursor.value !== null && !isSearching.value) await read(cursor.value);
  };
  return { found, problem, isSearching, cursor, more };
}

/** A text in pieces, those that were looked for apart from the others. */
export function piecesOf({
  snippet,
  marks,
}: Pick<FoundFact, 'snippet' | 'marks'>): { text: string; isMarked: boolean }[] {
  const pieces: { text: string; isMarked: boolean }[] = [];
  let at = 0;
  for (const [start, end] of marks.toSorted(([a], [b]) => a - b)) {
    const from = Math.max(start, at);
    if (end <= from) continue;
    if (from > at) pieces.push({ text: snippet.slice(at, from), isMarked: false });
    pieces.push({ text: snippet.slice(from, end), isMarked: true });
    at = end;
  }
  if (at < snippet.length) pieces.push({ text: snippet.slice(at), isMarked: false });
  return pieces;
}
