import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Scope } from '../base/scope.ts';
import { Search } from '../store/search/search.ts';
import type { Store } from '../store/store.ts';

/** How long new facts wait to be indexed: of many commits only some say so. */
const WAKE_MS = 250;

/** The full-text search of a home, for as long as the scope is open; new facts are indexed in the background. */
export function searchOf(
  home: string,
  {
    store,
    clock,
    log,
    scope,
  }: { readonly store: Store; readonly clock: Clock; readonly log: Log; readonly scope: Scope },
): Search {
  const search = new Search({ journal: store.file, file: join(home, 'search.db') }, clock, log);
  scope.defer(() => search[Symbol.asyncDispose]());
  let cancel: (() => void) | null = null;
  const stop = store.onCommit(() => {
    cancel ??= clock.after(WAKE_MS, () => {
      cancel = null;
      search.wake(store.journal.head());
    });
  });
  scope.defer(() => {
    stop();
    // The store is closed before its time has come.
    cancel?.();
  });
  return search;
}
