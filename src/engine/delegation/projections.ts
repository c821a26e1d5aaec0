import { handleOf } from '../../contract/delegation.ts';
import type { Projections, ShownState } from '../../contract/delegation-operations.ts';
import { lettaBlockKey, lettaBlockLabel, lettaWriteKey } from '../../contract/letta.ts';
import { MATRIX_PLACES, type MatrixPlace, matrixKey, matrixPlaces } from '../../contract/matrix.ts';
import type { Task } from '../../contract/task.ts';
import type { Reader } from '../../store/store.ts';

export type Places = ReadonlyMap<string, MatrixPlace>;

/** Of all tasks at once: they are one small value. */
export const readPlaces = (read: Reader): Places => matrixPlaces(read.meta.get(MATRIX_PLACES));

/** Where a delegated task is shown outside: what the bridges have kept of it and what of it waits to be told. */
export function projectionsOf(read: Reader, task: Task, places: Places): Projections {
  const blockId = read.meta.get(lettaBlockKey(task.id));
  const place = places.get(task.id);
  const letta = shownBy(read, 'letta', [lettaWriteKey(task.id)]);
  const matrix = shownBy(
    read,
    'matrix',
    ['status', 'end'].map((step) => matrixKey(step, task.id)),
  );
  return {
    ...((blockId !== null || letta.state !== 'current') && {
      letta: { ...letta, blockId, label: lettaBlockLabel(handleOf(task.requestId)) },
    }),
    ...((place !== undefined || matrix.state !== 'current') && {
      matrix: { ...matrix, roomId: place?.room ?? null, eventId: place?.root ?? null },
    }),
  };
}

function shownBy(
  read: Reader,
  channel: string,
  keys: readonly string[],
): { readonly state: ShownState; readonly error: string | null } {
  const waiting = keys.flatMap((key) => read.outbox.get(channel, key) ?? []);
  const refused = waiting.find(({ tries }) => tries > 0);
  if (refused) return { state: 'retrying', error: refused.lastError };
  return { state: waiting.length > 0 ? 'waiting' : 'current', error: null };
}
