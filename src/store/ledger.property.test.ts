import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sampleApproval, sampleAttempt, sampleTask } from '../../test/support/rows.ts';
import { GANTRY, sampleSession, seed, temporaryStore } from '../../test/support/store.ts';
import { ApprovalState } from '../contract/approval.ts';
import { AttemptState } from '../contract/attempt.ts';
import { AppError } from '../contract/errors.ts';
import { emptyView, fold, type View } from '../contract/fold.ts';
import { SessionState } from '../contract/session.ts';
import { TaskState } from '../contract/task.ts';
import { ENTITIES, type EntityName } from './entities.ts';
import type { Store, Transaction } from './store.ts';

/** One random change of the ledger; many are not legal. */
type Change = (tx: Transaction) => void;

const n = fc.integer({ min: 1, max: 4 });
const cause = fc.option(fc.string({ maxLength: 5 }));

const change: fc.Arbitrary<Change> = fc.oneof(
  n.map(
    (i): Change =>
      (tx) =>
        void tx.tasks.insert(sampleTask(i), GANTRY),
  ),
  n.map(
    (i): Change =>
      (tx) =>
        void tx.attempts.insert(sampleAttempt(i, { state: 'starting' }), GANTRY),
  ),
  n.map(
    (i): Change =>
      (tx) =>
        void tx.sessions.insert(sampleSession(i), GANTRY),
  ),
  n.map(
    (i): Change =>
      (tx) =>
        void tx.approvals.insert(sampleApproval({ id: `apr_00000000${i}` }), GANTRY),
  ),
  fc.tuple(n, fc.constantFrom(...TaskState.options), cause).map(([i, to, why]): Change => {
    return (tx) => void tx.tasks.move(`tsk_00000000${i}`, TaskState.options, to, {}, { ...GANTRY, cause: why });
  }),
  fc.tuple(n, fc.constantFrom(...AttemptState.options)).map(([i, to]): Change => {
    return (tx) => void tx.attempts.move(`att_00000000${i}`, AttemptState.options, to, { resumes: i }, GANTRY);
  }),
  fc.tuple(n, fc.constantFrom(...SessionState.options)).map(([i, to]): Change => {
    return (tx) => void tx.sessions.move(`sess_00000000${i}`, SessionState.options, to, {}, GANTRY);
  }),
  fc.tuple(n, fc.constantFrom(...ApprovalState.options)).map(([i, to]): Change => {
    return (tx) => void tx.approvals.move(`apr_00000000${i}`, 'pending', to, { decidedBy: 'person' }, GANTRY);
  }),
  fc.tuple(n, fc.string()).map(([i, title]): Change => {
    return (tx) => void tx.tasks.update(`tsk_00000000${i}`, { title }, GANTRY);
  }),
  fc.string().map(
    (text): Change =>
      (tx) =>
        tx.record('notice', { level: 'info', text }, {}, 'gantry'),
  ),
);

/** Rows to change, so that most changes happen. */
const begin: Change = (tx) => {
  for (let i = 1; i <= 3; i += 1) {
    tx.tasks.insert(sampleTask(i), GANTRY);
    tx.attempts.insert(sampleAttempt(i, { state: 'starting' }), GANTRY);
    tx.sessions.insert(sampleSession(i), GANTRY);
    tx.approvals.insert(sampleApproval({ id: `apr_00000000${i}` }), GANTRY);
  }
};

const EXPECTED = new Set(['illegal_move', 'not_found', 'conflict']);

/** Several changes in one commit; if one is refused, none of them happens. Says whether they did. */
function apply(store: Store, changes: readonly Change[]): boolean {
  try {
    store.commit((tx) => {
      for (const one of changes) one(tx);
    });
    return true;
  } catch (error) {
    if (!(error instanceof AppError && EXPECTED.has(error.code))) throw error;
    return false;
  }
}

function folded(store: Store, limit: number): View {
  const view = emptyView();
  for (let cursor = 0; ; ) {
    const page = store.journal.since(cursor, { limit });
    for (const fact of page.facts) fold(view, fact);
    if (page.facts.length === 0) return view;
    cursor = page.next;
  }
}

it('the journal folds to the tables, whatever was committed or refused', async () => {
  const commits = fc.array(fc.array(change, { minLength: 1, maxLength: 2 }), {
    minLength: 30,
    maxLength: 40,
  });
  const seen = { committed: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(commits, fc.integer({ min: 1, max: 50 }), async (all, limit) => {
      await using home = await temporaryStore();
      const { store } = home;
      seed(store);
      store.commit(begin);
      for (const changes of all) seen[apply(store, changes) ? 'committed' : 'refused'] += 1;
      const view = folded(store, limit);
      for (const name of Object.keys(ENTITIES) as EntityName[]) {
        const rows = store.read[name].list().map((row) => [row.id, row] as const);
        expect(view[name]).toEqual(new Map<string, unknown>(rows));
      }
    }),
    { numRuns: 60 },
  );
  // Measured: about 600 and 1,450. A test of nothing but refusals would prove nothing.
  expect(seen.committed).toBeGreaterThan(200);
  expect(seen.refused).toBeGreaterThan(200);
});
