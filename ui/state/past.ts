import { computed, type Ref, type ShallowRef, shallowRef, triggerRef, watch } from 'vue';
import type { Fact } from '../../src/contract/fact.ts';
import type { FactFilter } from './fact-filter.ts';
import { PAGE, pageAfter, queryOf, wantedOf } from './fact-pages.ts';
import type { Route } from './route.ts';
import { type Store, textOf } from './store.ts';

/** More of one window are not loaded, which is said. */
const MOST = 100_000;

/** From one time to another, ms, both within. */
export type Range = { readonly from: number; readonly to: number };

export type Past = {
  readonly range: Ref<Range | null>;
  /** In the journal's order, as far as they are loaded. The array is the same all the time; the ref is triggered. */
  readonly rows: ShallowRef<Fact[]>;
  readonly isLoading: ShallowRef<boolean>;
  readonly problem: ShallowRef<string | null>;
};

/** Out of the address; what is no window of time there is none. */
export function rangeOf({ from, to }: Route['query']): Range | null {
  const range = { from: Number(from ?? Number.NaN), to: Number(to ?? Number.NaN) };
  return range.from >= 0 && range.to >= range.from ? range : null;
}

/** What a window of the past holds, whatever the page has loaded: read from the daemon page by page. */
export function usePast(store: Store, query: Ref<Route['query']>, filter: Ref<FactFilter>): Past {
  const rows = shallowRef<Fact[]>([]);
  const isLoading = shallowRef(false);
  const problem = shallowRef<string | null>(null);
  const range = computed<Range | null>((before) => {
    const now = rangeOf(query.value);
    return before && now && before.from === now.from && before.to === now.to ? before : now;
  });
  let round = 0;

  /** The last position before a time. The journal's times grow with its positions. */
  async function before(at: number): Promise<number> {
    const { next: end } = await store.client.call('facts.list', { recent: 1 });
    let [low, high] = [0, end];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [fact] = (await pageAfter(store, {}, middle, 1)).items;
      if (fact === undefined || fact.at >= at) high = middle;
      else low = fact.seq;
    }
    return low;
  }

  async function load({ from, to }: Range, own: number): Promise<void> {
    const [first, last] = await Promise.all([before(from), before(to + 1)]);
    for (let cursor = first; cursor < last && own === round; ) {
      const { items, next } = await pageAfter(store, queryOf(filter.value), cursor, PAGE);
      if (own !== round || next <= cursor) return;
      cursor = next;
      rows.value.push(...wantedOf(items, filter.value).filter(({ seq }) => seq <= last));
      triggerRef(rows);
      if (rows.value.length < MOST) continue;
      problem.value = `This window has more than ${MOST.toLocaleString('en-US')} facts: only the first are shown.`;
      return;
    }
  }

  watch(
    [range, filter, store.generation],
    async ([now]) => {
      round += 1;
      const own = round;
      [rows.value, problem.value, isLoading.value] = [[], null, now !== null];
      if (now === null) return;
      try {
        await load(now, own);
      } catch (error) {
        if (own === round) problem.value = textOf(error);
      } finally {
        if (own === round) isLoading.value = false;
      }
    },
    { immediate: true },
  );
  return { range, rows, isLoading, problem };
}
