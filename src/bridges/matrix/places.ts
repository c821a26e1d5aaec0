import { MATRIX_PLACES, type MatrixPlace, matrixPlaces } from '../../contract/matrix.ts';

/** Small values of the store. */
export type Memory = {
  readonly get: (key: string) => string | null;
  readonly set: (key: string, value: string) => void;
};

/** Tasks whose places are known; commands in the rooms of older ones find no task. */
const MAX_PLACES = 500;

/** Where tasks are shown, in the store: kept over kills, the newest ones only. */
export function placesIn(memory: Memory) {
  const read = () => matrixPlaces(memory.get(MATRIX_PLACES));
  return {
    get: (taskId: string): MatrixPlace | null => read().get(taskId) ?? null,
    put: (taskId: string, place: MatrixPlace): void => {
      const entries = [...read().set(taskId, place)];
      memory.set(MATRIX_PLACES, JSON.stringify(entries.slice(-MAX_PLACES)));
    },
    /** The task of a room, or of a thread in the room that all share. */
    find: (room: string, root: string | null): string | null =>
      [...read()].find(([, place]) => place.room === room && (root === null || place.root === root))?.[0] ?? null,
  };
}
export type Places = ReturnType<typeof placesIn>;
