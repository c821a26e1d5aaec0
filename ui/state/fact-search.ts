import { onUnmounted, type Ref, type ShallowRef, shallowRef, watch } from 'vue';
import type { Fact } from '../../src/contract/fact.ts';
import { searchedText } from './fact-words.ts';
import { literally, SearchProblem, TextSearch } from './text-search.ts';

export type Pattern = { readonly text: string; readonly isRegex: boolean };

/** The rows in which a pattern is found; with an empty one all of them. Each row is tested once. */
export function useFactSearch(
  rows: ShallowRef<readonly Fact[]>,
  pattern: Ref<Pattern>,
): {
  readonly found: ShallowRef<readonly Fact[]>;
  readonly problem: ShallowRef<string | null>;
  readonly isSearching: ShallowRef<boolean>;
} {
  const found = shallowRef<readonly Fact[]>([]);
  const problem = shallowRef<string | null>(null);
  const isSearching = shallowRef(false);
  const search = new TextSearch();
  onUnmounted(() => search.close());
  let tested = new Map<number, boolean>();
  let abort = new AbortController();

  async function testNew(signal: AbortSignal): Promise<void> {
    const { text, isRegex } = pattern.value;
    const fresh = rows.value.filter(({ seq }) => !tested.has(seq));
    const results = await search.test(isRegex ? text : literally(text), fresh.map(searchedText), signal);
    if (signal.aborted) return;
    // What the page has let go is not asked about again.
    const oldest = rows.value[0]?.seq ?? 0;
    for (const seq of tested.keys()) {
      if (seq >= oldest) break;
      tested.delete(seq);
    }
    for (const [index, fact] of fresh.entries()) tested.set(fact.seq, results[index] ?? false);
    found.value = rows.value.filter(({ seq }) => tested.get(seq));
  }

  /** Until no row is left that was not tested: some come while others are. */
  async function testAll(signal: AbortSignal): Promise<void> {
    let seen = -1;
    while (seen !== rows.value.length && !signal.aborted) {
      seen = rows.value.length;
      await testNew(signal);
    }
  }

  async function refresh(): Promise<void> {
    if (isSearching.value) return;
    const { signal } = abort;
    isSearching.value = true;
    problem.value = null;
    await testAll(signal).catch((error: unknown) => {
      if (!(error instanceof SearchProblem)) throw error;
      if (!signal.aborted) [problem.value, found.value] = [error.message, []];
    });
    isSearching.value = false;
    if (signal.aborted && pattern.value.text !== '') await refresh();
  }

  watch(
    pattern,
    () => {
      tested = new Map();
      abort.abort();
      abort = new AbortController();
    },
    { flush: 'sync' },
  );
  watch(
    [rows, pattern],
    () => {
      if (pattern.value.text !== '') void refresh();
      else [problem.value, found.value] = [null, rows.value.slice()];
    },
    { immediate: true },
  );
  return { found, problem, isSearching };
}
