import type { IdempotencyKeys } from '../api/idempotency.ts';
import type { Store } from '../store/store.ts';

/** Keys and answers in the store: they hold over restarts. */
export const idempotencyKeys = (store: Store): IdempotencyKeys => ({
  begin: (scope, key, inputHash) =>
    store.commit((tx) => {
      const known = tx.idempotency.get(scope, key);
      if (!known) {
        tx.idempotency.put(scope, key, { inputHash, output: null });
        return { type: 'new' };
      }
      if (known.output === null) return { type: 'unfinished', inputHash: known.inputHash };
      return { type: 'finished', inputHash: known.inputHash, answer: known.output };
    }),
  finish: (scope, key, answer) =>
    store.commit((tx) => {
      const inputHash = tx.idempotency.get(scope, key)?.inputHash ?? '';
      tx.idempotency.put(scope, key, { inputHash, output: answer });
    }),
  abandon: (scope, key) => store.commit((tx) => tx.idempotency.remove(scope, key)),
});
