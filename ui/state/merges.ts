import { computed, type Ref, type ShallowRef, shallowRef, watch } from 'vue';
import { isMergeOver, MERGE_MOVES, type Merge } from '../../src/contract/merge.ts';
import { type Store, textOf } from './store.ts';

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

/** Places in line: only the daemon knows them, and they change with every merge that moves. 1 is next. */
export function usePlaces(store: Store): ShallowRef<Places> {
  const places = shallowRef<Places>(new Map());
  let round = 0;
  watch(
    () => store.version('merges'),
    async () => {
      round += 1;
      const own = round;
      try {
        const { items } = await store.client.call('merges.list', { state: ['queued'], limit: 1_000 });
        if (own !== round) return;
        places.value = new Map(items.flatMap(({ id, place }) => (place === null ? [] : [[id, place]])));
      } catch (error) {
        if (own === round) store.say('bad', textOf(error));
      }
    },
    { immediate: true },
  );
  return places;
}
