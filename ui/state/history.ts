import { onUnmounted, type Ref, type ShallowRef, shallowRef, watch } from 'vue';
import type { OutputOf } from '../../src/contract/api.ts';
import type { HistoryMessage, HistorySession, HistorySource } from '../../src/contract/history.ts';
import { type Store, textOf } from './store.ts';

type Found = OutputOf<'history.search'>;
type Sessions = OutputOf<'history.sessions'>;
export type HistoryQuery = { readonly text: string; readonly source: HistorySource | undefined };

const STEP = 100;
/** The most that one list gives. */
const MOST = 1_000;
const TYPING_MS = 250;
/** What the search takes at least. */
const SHORTEST = 2;

export type HistoryList = {
  readonly sessions: ShallowRef<Sessions | null>;
  /** Null while nothing is looked for. */
  readonly found: ShallowRef<Found | null>;
  readonly isLoading: ShallowRef<boolean>;
  readonly problem: ShallowRef<string | null>;
  /** Whether there may be more sessions than are shown. */
  readonly hasMore: () => boolean;
  readonly more: () => void;
};

/** The conversations of the agent programs' own stores, newest first, or where words stand in them. */
export function useHistoryList(store: Store, query: Ref<HistoryQuery>): HistoryList {
  const sessions = shallowRef<Sessions | null>(null);
  const found = shallowRef<Found | null>(null);
  const isLoading = shallowRef(false);
  const problem = shallowRef<string | null>(null);
  const count = shallowRef(STEP);
  let round = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;

  async function load(): Promise<void> {
    round += 1;
    const own = round;
    const { text, source } = query.value;
    const isSearch = text.trim().length >= SHORTEST;
    isLoading.value = true;
    try {
      const got = isSearch
        ? { found: await store.client.call('history.search', { text, source, limit: STEP }) }
        : { sessions: await store.client.call('history.sessions', { source, limit: count.value }), found: null };
      if (own !== round) return;
      if ('sessions' in got) sessions.value = got.sessions ?? null;
      found.value = got.found;
      problem.value = null;
    } catch (error) {
      if (own === round) problem.value = textOf(error);
    } finally {
      if (own === round) isLoading.value = false;
    }
  }
  watch(
    [query, count, store.generation],
    ([now], [before]) => {
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(() => void load(), before !== undefined && now.text !== before.text ? TYPING_MS : 0);
    },
    { immediate: true },
  );
  onUnmounted(() => timer !== null && clearTimeout(timer));
  return {
    sessions,
    found,
    isLoading,
    problem,
    hasMore: () => (sessions.value?.items.length ?? 0) >= count.value && count.value < MOST,
    more: () => {
      count.value = Math.min(count.value + STEP, MOST);
    },
  };
}

export type HistoryTalk = {
  readonly session: ShallowRef<HistorySession | null>;
  readonly messages: ShallowRef<readonly HistoryMessage[]>;
  readonly isLoading: ShallowRef<boolean>;
  readonly problem: ShallowRef<string | null>;
  /** Where the next page begins; null at the end. */
  readonly next: ShallowRef<string | null>;
  readonly more: () => Promise<void>;
};

const PAGE = 200;
/** To a message that was found is gone in longer steps, at most this far. */
const LONG_PAGE = 1_000;
const FARTHEST = 20_000;

/** One conversation, oldest first, page by page; with `upTo` as far as that message. */
export function useHistoryTalk(
  store: Store,
  id: string,
  source: HistorySource | undefined,
  upTo: string | undefined,
): HistoryTalk {
  const session = shallowRef<HistorySession | null>(null);
  const messages = shallowRef<readonly HistoryMessage[]>([]);
  const isLoading = shallowRef(false);
  const problem = shallowRef<string | null>(null);
  const next = shallowRef<string | null>(null);

  async function load(after: string | undefined, limit: number): Promise<void> {
    isLoading.value = true;
    try {
      const page = await store.client.call('history.messages', { id, source, after, limit });
      session.value = page.session;
      messages.value = [...messages.value, ...page.items];
      next.value = page.next;
    } catch (error) {
      problem.value = textOf(error);
      next.value = null;
    } finally {
      isLoading.value = false;
    }
  }
  const more = async (): Promise<void> => {
    if (next.value !== null && !isLoading.value) await load(next.value, PAGE);
  };
  async function begin(): Promise<void> {
    await load(undefined, upTo === undefined ? PAGE : LONG_PAGE);
    const isThere = (): boolean => upTo === undefined || messages.value.some((one) => one.id === upTo);
    while (!isThere() && next.value !== null && messages.value.length < FARTHEST) await load(next.value, LONG_PAGE);
  }
  void begin();
  return { session, messages, isLoading, problem, next, more };
}
