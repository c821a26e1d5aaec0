import { z } from 'zod';

/** Where a task is shown. */
const Place = z.object({
  room: z.string(),
  /** The event that is changed as the task goes on; in a shared room the root of its thread. Null before it is told. */
  root: z.string().nullable(),
  /** Events of approvals that were told, by approval. */
  asks: z.record(z.string(), z.string()),
  /** The fact of the end that was told last; 0 is none. */
  endSeq: z.number(),
});
export type Place = z.infer<typeof Place>;

/** Small values of the store. */
export type Memory = {
  readonly get: (key: string) => string | null;
  readonly set: (key: string, value: string) => void;
};

const KEY = 'matrix.places';
/** Tasks whose places are known; commands in the rooms of older ones find no task. */
const MAX_PLACES = 500;

const Known = z.array(z.tuple([z.string(), Place]));

/** Where tasks are shown, in the store: kept over kills, the newest ones only. */
export function placesIn(memory: Memory) {
  const read = (): Map<string, Place> => new Map(Known.parse(JSON.parse(memory.get(KEY) ?? '[]')));
  return {
    get: (taskId: string): Place | null => read().get(taskId) ?? null,
    put: (taskId: string, place: Place): void => {
      const entries = [...read().set(taskId, place)];
      memory.set(KEY, JSON.stringify(entries.slice(-MAX_PLACES)));
    },
    /** The task of a room, or of a thread in the room that all share. */
    find: (room: string, root: string | null): string | null =>
      [...read()].find(([, place]) => place.room === room && (root === null || place.root === root))?.[0] ?? null,
  };
}
export type Places = ReturnType<typeof placesIn>;
