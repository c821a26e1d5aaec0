import { onUnmounted, type Ref, type ShallowRef, shallowRef, triggerRef, watch } from 'vue';
import type { Fact } from '../../src/contract/fact.ts';
import type { FactFilter } from './fact-filter.ts';
import { PAGE, pageAfter, queryOf, wantedOf } from './fact-pages.ts';
import { type Store, textOf } from './store.ts';

/** How far back the page looks by itself when it is opened. */
const FIRST_PAGES = 3;
/** Rows that are kept while new ones come; and in all, with what was loaded from before. */
const KEPT = 20_000;
const MOST = 100_000;
/** So many more, before the oldest are let go: not with every fact. */
const SPARE = 1_000;
/** The widest stretch of the journal that one search for older rows goes back. */
const WIDEST = 1_000_000;

export type Journal = {
  /** In the journal's order. The array is the same all the time; the ref is triggered. */
  readonly rows: ShallowRef<Fact[]>;
  readonly isLoading: ShallowRef<boolean>;
  readonly problem: ShallowRef<string | null>;
  /** Nothing older is kept, or the page holds as many rows as it may. */
  readonly isAtBeginning: ShallowRef<boolean>;
  readonly loadOlder: () => Promise<void>;
};

/** The journal's end by a filter, growing as facts come, and backwards as far as one asks. */
export function useJournal(store: Store, filter: Ref<FactFilter>): Journal {
  const rows = shallowRef<Fact[]>([]);
  const isLoading = shallowRef(false);
  const problem = shallowRef<string | null>(null);
  const isAtBeginning = shallowRef(false);
  /** Positions from here on are held, as far as the filter wants them. */
  let from = 0;
  let round = 0;

  const query = (): object => queryOf(filter.value);
  const wanted = (facts: readonly Fact[]): Fact[] => wantedOf(facts, filter.value);

  function add(facts: readonly Fact[]): void {
    const last = rows.value.at(-1)?.seq ?? 0;
    const fresh = wanted(facts).filter(({ seq }) => seq > last);
    if (fresh.length === 0) return;
    rows.value.push(...fresh);
    if (rows.value.length > KEPT + SPARE && rows.value.length < MOST) {
      rows.value.splice(0, rows.value.length - KEPT);
      from = rows.value[0]?.seq ?? from;
      isAtBeginning.value = false;
    }
    triggerRef(rows);
  }

  async function begin(): Promise<void> {
    round += 1;
    const own = round;
    isLoading.value = true;
    problem.value = null;
    rows.value = [];
    isAtBeginning.value = false;
    try {
      await newest(own);
      for (let page = 1; page < FIRST_PAGES && own === round && !isAtBeginning.value; page += 1) await older();
    } catch (error) {
      if (own === round) problem.value = textOf(error);
    } finally {
      if (own === round) isLoading.value = false;
    }
  }

  async function newest(own: number): Promise<void> {
    const { items, next, isCut } = await store.client.call('facts.list', { ...query(), recent: PAGE });
    if (own !== round) return;
    from = isCut ? (items[0]?.seq ?? 0) : 0;
    isAtBeginning.value = from <= 1;
    rows.value = wanted(items);
    // What came by the stream while this was read.
    add(store.recent.facts.filter(({ seq }) => seq > next));
  }

  /** Facts before `from`: further back each time that a stretch holds none that are wanted. */
  async function older(): Promise<void> {
    const own = round;
    for (let width = PAGE; from > 1 && own === round; width = Math.min(width * 8, WIDEST)) {
      const since = Math.max(0, from - 1 - width);
      const found = await between(since, from);
      if (own !== round) return;
      from = since;
      if (found.length === 0) continue;
      rows.value.unshift(...found);
      triggerRef(rows);
      break;
    }
    isAtBeginning.value = from <= 1 || rows.value.length >= MOST;
  }

  async function between(since: number, before: number): Promise<Fact[]> {
    const found: Fact[] = [];
    for (let cursor = since; cursor < before - 1; ) {
      const { items, next } = await pageAfter(store, query(), cursor);
      found.push(...wanted(items.filter(({ seq }) => seq < before)));
      if (next <= cursor) break;
      cursor = next;
    }
    return found;
  }

  async function loadOlder(): Promise<void> {
    if (isLoading.value || isAtBeginning.value) return;
    isLoading.value = true;
    try {
      await older();
    } catch (error) {
      problem.value = textOf(error);
    } finally {
      isLoading.value = false;
    }
  }

  onUnmounted(store.onFacts(add));
  watch([filter, store.generation], () => void begin());
  watch(
    () => store.link.value.state === 'live',
    (isLive) => isLive && rows.value.length === 0 && !isLoading.value && void begin(),
    { immediate: true },
  );
  return { rows, isLoading, problem, isAtBeginning, loadOlder };
}
