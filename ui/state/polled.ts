import { onUnmounted, type ShallowRef, shallowRef, watch } from 'vue';
import { type Store, textOf } from './store.ts';

/** Between two readings of the same list: what it is made of may change many times a second. */
const PAUSE_MS = 1_000;

export type Polled<T> = { readonly value: ShallowRef<T | null>; readonly problem: ShallowRef<string | null> };

/**
 * What only the daemon can work out: read anew when `changes` do, at most once a second, and at once when the
 * `question` is another.
 */
export function usePolled<T>(
  store: Store,
  changes: () => unknown,
  read: () => Promise<T>,
  question: () => unknown = () => null,
): Polled<T> {
  const value: ShallowRef<T | null> = shallowRef(null);
  const problem = shallowRef<string | null>(null);
  let timer: ReturnType<typeof setTimeout> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  let round = 0;

  async function load(): Promise<void> {
    round += 1;
    const own = round;
    timer = null;
    readAt = performance.now();
    try {
      const got = await read();
      if (own === round) [value.value, problem.value] = [got, null];
    } catch (error) {
      if (own === round) problem.value = textOf(error);
    }
  }
  watch(changes, () => {
    timer ??= setTimeout(() => void load(), Math.max(0, readAt + PAUSE_MS - performance.now()));
  });
  watch([question, store.generation], () => void load(), { immediate: true });
  onUnmounted(() => timer !== null && clearTimeout(timer));
  return { value, problem };
}
