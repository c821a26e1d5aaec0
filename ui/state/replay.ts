import { computed, onUnmounted, type Ref, type ShallowRef, shallowRef } from 'vue';
import type { Fact } from '../../src/contract/fact.ts';
import { familyOf } from './fact-words.ts';
import type { Range } from './past.ts';

export const SPEEDS = [0.5, 1, 2, 4] as const;
/** Longer pauses are cut to this before the speed is applied: nobody wants to watch an agent think for an hour. */
const LONGEST_PAUSE_MS = 2_000;
/** A row that follows sooner than this comes in the same step: a browser's timers are not finer. */
const STEP_MS = 16;

export type Replay = {
  readonly isOn: ShallowRef<boolean>;
  readonly isPlaying: ShallowRef<boolean>;
  readonly speed: ShallowRef<number>;
  /** How many of the rows are shown. */
  readonly position: ShallowRef<number>;
  readonly length: Ref<number>;
  /** When the first and the last of the rows came, ms. */
  readonly span: Ref<Range>;
  readonly shown: Ref<readonly Fact[]>;
  readonly begin: () => void;
  /** The rows have become more, or others: what is shown stays as far as it can. */
  readonly reload: () => void;
  readonly end: () => void;
  readonly toggle: () => void;
  readonly seek: (position: number) => void;
  /** To the next row at which somebody was asked or something went wrong. */
  readonly next: () => void;
};

/** Plays rows again as they came. It only shows: nothing is asked of the daemon and nobody is notified. */
export function useReplay(rows: Ref<readonly Fact[]>): Replay {
  const tape = shallowRef<readonly Fact[]>([]);
  const isOn = shallowRef(false);
  const isPlaying = shallowRef(false);
  const speed = shallowRef(1);
  const position = shallowRef(0);
  let timer: ReturnType<typeof setTimeout> | null = null;
  const stop = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
  };

  const pauseAfter = (index: number): number => {
    const gap = (tape.value[index]?.at ?? 0) - (tape.value[index - 1]?.at ?? 0);
    return Math.min(Math.max(gap, 0), LONGEST_PAUSE_MS) / speed.value;
  };
  function step(): void {
    let wait = 0;
    while (position.value < tape.value.length && wait < STEP_MS) {
      position.value += 1;
      wait += pauseAfter(position.value);
    }
    if (position.value >= tape.value.length) isPlaying.value = false;
    else timer = setTimeout(step, wait);
  }
  const seek = (to: number): void => {
    position.value = Math.min(Math.max(Math.round(to), 0), tape.value.length);
  };
  onUnmounted(stop);
  return {
    isOn,
    isPlaying,
    speed,
    position,
    length: computed(() => tape.value.length),
    span: computed(() => ({ from: tape.value[0]?.at ?? 0, to: tape.value.at(-1)?.at ?? 0 })),
    shown: computed(() => tape.value.slice(0, position.value)),
    seek,
    begin: () => {
      stop();
      isPlaying.value = false;
      tape.value = rows.value.slice();
      isOn.value = true;
      position.value = Math.min(1, tape.value.length);
    },
    reload: () => {
      tape.value = rows.value.slice();
      seek(Math.max(position.value, 1));
    },
    end: () => {
      stop();
      isOn.value = false;
      isPlaying.value = false;
      tape.value = [];
    },
    toggle: () => {
      stop();
      isPlaying.value = !isPlaying.value;
      if (!isPlaying.value) return;
      if (position.value >= tape.value.length) position.value = 0;
      step();
    },
    next: () => {
      const isStop = (fact: Fact): boolean => familyOf(fact) === 'trouble' || fact.kind === 'approval.changed';
      const found = tape.value.findIndex((fact, index) => index >= position.value && isStop(fact));
      seek(found === -1 ? tape.value.length : found + 1);
    },
  };
}
