import type { ProcessIdentity } from './identity.ts';
import { readTable } from './table.ts';

/** Every living process, but this one, whose `GANTRY_SPAWN` begins so. Empty where environments cannot be read. */
export async function findByMarker(
  prefix: string,
): Promise<readonly { readonly identity: ProcessIdentity; readonly marker: string }[]> {
  const table = await readTable();
  return table.flatMap(({ pid, startTime, marker, isZombie }) =>
    marker?.startsWith(prefix) && !isZombie && pid !== process.pid ? [{ identity: { pid, startTime }, marker }] : [],
  );
}
