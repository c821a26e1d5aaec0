import { computed, type Ref, type ShallowRef, shallowRef } from 'vue';
import { isMergeOver, MERGE_MOVES, type Merge } from '../../src/contract/merge.ts';
import { usePolled } from './polled.ts';
import { type Store, textOf } from './store.ts';

/** The view holds so many, the newest. */
export const SHOWN_MERGES = 200;
const PAGE = 100;

type State = Merge['state'];
type Places = ReadonlyMap<string, number>;

/** Nothing goes on by itself until a person has spoken. */
export const waitsForPerson = ({ state }: Pick<Merge, 'state'>): boolean =>
  state === 'reviewing' || state === 'rejected';

export const canRetry = (state: State): boolean => isMergeOver(state) && MERGE_MOVES[state].length > 0;
export const canWithdraw = (state: State): boolean => MERGE_MOVES[state].includes('withdrawn');

/** First what waits for a person, then what is under way as it stands in line, then what is over; newest first. */
export function inOrder(merges: Iterable<Merge>, places: Places): Merge[] {
  const rank = (merge: Merge): number => (waitsForPerson(merge) ? 0 : isMergeOver(merge.state) ? 2 : 1);
  const place = ({ id, state }: Merge): number =>
    state === 'queued' ? (places.get(id) ?? Number.MAX_SAFE_INTEGER) : 0;
  return [...merges].sort((a, b) => rank(a) - rank(b) || place(a) - place(b) || b.updatedAt - a.updatedAt);
}

/** The merge of a request, if the view has one. */
export const useMergeOf = (store: Store, requestId: string): Ref<Merge | null> =>
  computed(() => [...store.table('merges').values()].find((merge) => merge.requestId === requestId) ?? null);

/** Merges that are older than what the view holds, page by page. */
export function useOlderMerges(store: Store): {
  readonly older: ShallowRef<readonly Merge[]>;
  readonly isAtEnd: ShallowRef<boolean>;
  readonly isLoading: ShallowRef<boolean>;
  readonly loadOlder: () => Promise<void>;
} {
  const older = shallowRef<readonly Merge[]>([]);
  const isAtEnd = shallowRef(false);
  const isLoading = shallowRef(false);
  async function loadOlder(): Promise<void> {
    // Ids grow with time: the smallest is the oldest that is known.
    const known = [...store.table('merges').keys(), ...older.value.map(({ id }) => id)];
    const [cursor] = known.sort();
    isLoading.value = true;
    try {
      const page = await store.client.call('merges.list', { limit: PAGE, ...(cursor && { cursor }) });
      older.value = [...older.value, ...page.items];
      isAtEnd.value = page.nextCursor === null;
    } catch (error) {
      store.say('bad', textOf(error));
    } finally {
      isLoading.value = false;
    }
  }
  return { older, isAtEnd, isLoading, loadOlder };
}

/** Places in line: only the daemon knows them, and they change with every merge that moves. 1 is next. */
export function usePlaces(store: Store): Ref<Places> {
  const { value } = usePolled(
    store,
    () => store.version('merges'),
    async () => (await store.client.call('merges.list', { state: ['queued'], limit: 1_000 })).items,
  );
  return computed(() => new Map(value.value?.flatMap(({ id, place }) => (place === null ? [] : [[id, place]]))));
}
