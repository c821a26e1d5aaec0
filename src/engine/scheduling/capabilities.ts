import { z } from 'zod';
import type { Backend, Capabilities } from '../../backends/backend.ts';
import type { BackendId } from '../../contract/ids.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';

/** What `gantry doctor --conformance` did not see of what a driver declares, with the program's version of that time. */
const Missing = z.object({ version: z.string().nullable(), capabilities: z.array(z.string()) });

const keyOf = (id: BackendId): string => `backend.missing:${id}`;

const missingOf = (read: Pick<Reader, 'meta'>, id: BackendId): z.infer<typeof Missing> | null => {
  const stored = read.meta.get(keyOf(id));
  return stored === null ? null : Missing.parse(JSON.parse(stored));
};

/** What a backend can do: as its driver declares, less what was seen to be missing on this machine. */
export function capabilitiesOf(
  { backends, store }: Pick<Parts, 'backends' | 'store'>,
  id: BackendId,
): Capabilities | undefined {
  const backend = backends.get(id);
  return backend && lessMissing(backend, missingOf(store.read, id)?.capabilities ?? []);
}

const lessMissing = ({ capabilities }: Backend, missing: readonly string[]): Capabilities =>
  Object.fromEntries(
    Object.entries(capabilities).map(([name, isThere]) => [name, isThere && !missing.includes(name)]),
  ) as Capabilities;

/** Keeps what was observed; with nothing missing the declaration holds again. */
export function noteMissing(tx: Transaction, id: BackendId, missing: z.infer<typeof Missing>): void {
  if (missing.capabilities.length === 0) tx.meta.remove(keyOf(id));
  else tx.meta.set(keyOf(id), JSON.stringify(missing));
}

/** Another version of the program: what was observed says nothing about it. */
export function forgetIfOther(parts: Pick<Parts, 'store'>, id: BackendId, version: string | null): void {
  const missing = missingOf(parts.store.read, id);
  if (missing !== null && missing.version !== version) parts.store.commit((tx) => tx.meta.remove(keyOf(id)));
}
