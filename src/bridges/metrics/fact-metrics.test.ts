import { expect, test } from 'vitest';
import { sampleAttempt } from '../../../test/support/rows.ts';
import { sampleSession } from '../../../test/support/store.ts';
import type { Fact } from '../../contract/fact.ts';
import { FactMetrics } from './fact-metrics.ts';

const NOTHING = {
  ...{ class: 'state', projectId: null, requestId: null, taskId: null, attemptId: null, sessionId: null, agent: null },
  actor: 'gantry',
};

/** The journal of a script: `[seconds, fact without its place]`. */
function journalOf(script: readonly (readonly [number, object])[]) {
  const facts = script.map(([at, fact], i) => ({ ...NOTHING, seq: i + 1, at: at * 1_000, ...fact }) as unknown as Fact);
  let isWritten = false;
  return {
    write: () => {
      isWritten = true;
    },
    head: () => (isWritten ? facts.length : 0),
    since: (cursor: number) => ({ facts: facts.slice(cursor), next: facts.length, prunedTo: 0 }),
  };
}

const session = (n: number, from: string | null, state: 'starting' | 'running' | 'stopped') => ({
  kind: 'session.changed',
  data: { from, to: state, cause: null, row: sampleSession(n, { state }) },
});
const assigned = (n: number) => ({
  kind: 'attempt.changed',
  data: { from: null, to: 'starting', cause: null, row: sampleAttempt(n, { state: 'starting' }) },
});
const accepted = (n: number, attempt: number) => ({
  kind: 'prompt.accepted',
  sessionId: `sess_00000000${n}`,
  attemptId: `att_00000000${attempt}`,
  data: { promptId: 'p', kind: 'task' },
});

test('tells warm starts and assignments from cold ones', async () => {
  const journal = journalOf([
    // Nothing of the backend runs: both are cold.
    [1, assigned(1)],
    [2, session(1, null, 'starting')],
    [4, session(1, 'starting', 'running')],
    [5, accepted(1, 1)],
    // A session beside it is warm, its assignment is not: it was begun for it.
    [10, assigned(2)],
    [11, session(2, null, 'starting')],
    [11.5, session(2, 'starting', 'running')],
    [12, accepted(2, 2)],
    // A session that was there is given another task.
    [20, assigned(3)],
    [20.2, accepted(2, 3)],
    // All are over: cold again.
    [30, session(1, 'running', 'stopped')],
    [30, session(2, 'running', 'stopped')],
    [31, session(3, null, 'starting')],
    [32, session(3, 'starting', 'running')],
  ]);
  const metrics = new FactMetrics(journal, {
    backendOfSession: () => 'opencode',
    backendOfAgent: () => null,
    attemptState: () => null,
  });
  journal.write();
  const families = await metrics.families();
  const sums = (name: string, start: string) =>
    families
      .find((family) => family.name === name)
      ?.samples.flatMap(({ suffix, labels, value }) => (suffix !== '_bucket' && labels.start === start ? [value] : []));
  expect(sums('gantry_session_spawn_seconds', 'cold')).toEqual([3, 2]);
  expect(sums('gantry_session_spawn_seconds', 'warm')).toEqual([0.5, 1]);
  expect(sums('gantry_assignment_latency_seconds', 'cold')).toEqual([6, 2]);
  expect(sums('gantry_assignment_latency_seconds', 'warm')).toEqual([expect.closeTo(0.2), 1]);
});
