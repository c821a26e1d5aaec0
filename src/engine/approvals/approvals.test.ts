import { expect, test } from 'vitest';
import { testSettings } from '../../../test/support/engine.ts';
import { sampleApproval } from '../../../test/support/rows.ts';
import { PERSON, sampleProject, sampleSession, temporaryStore } from '../../../test/support/store.ts';
import { silentLog } from '../../base/log.ts';
import { Approvals } from './approvals.ts';
import { ForeignAnswers } from './foreign-answers.ts';

const LIMIT_MS = 60_000;

test('what Gantry would ask for a run that was ended already is not asked, and nobody waits for it', async () => {
  await using home = await temporaryStore();
  const { store, clock } = home;
  const session = sampleSession(1, { attemptId: null, agent: null });
  store.commit((tx) => {
    tx.projects.insert(sampleProject(), PERSON);
    tx.sessions.insert(session, PERSON);
  });
  const settings = testSettings();
  const parts = { store, clock, log: silentLog, settingsFor: () => settings };
  const approvals = new Approvals(parts, new ForeignAnswers(parts, () => null));
  const call = { tool: 'bash', patterns: ['touch x'], command: 'touch x', diff: null };
  expect((await approvals.askOwn(session, call, AbortSignal.abort())).type).toBe('deny');
  expect(store.read.approvals.list({})).toEqual([]);
});

test('a deadline that falls into a full disk is kept as soon as there is room again', async () => {
  let limit = (_: number): void => undefined;
  await using home = await temporaryStore({
    onOpen: (exec) => {
      limit = (pages) => exec(`PRAGMA max_page_count = ${pages}`);
    },
  });
  const { store, clock } = home;
  const session = sampleSession(1, { attemptId: null, agent: null });
  const approval = sampleApproval({ expiresAt: clock.now() + LIMIT_MS, sessionId: session.id });
  const tied = { attemptId: null, taskId: null, requestId: null, agent: null };
  // What its end writes does not fit into the pages that there are.
  const patterns = ['x'.repeat(50_000)];
  const call = { tool: 'bash', patterns, command: null, diff: null };
  store.commit((tx) => {
    tx.projects.insert(sampleProject(), PERSON);
    tx.sessions.insert(session, PERSON);
    tx.approvals.insert({ ...approval, ...tied, subject: { type: 'permission', call } }, PERSON);
  });
  const parts = { store, clock, log: silentLog, settingsFor: () => testSettings() };
  const answers = new ForeignAnswers(parts, () => null);
  const approvals = new Approvals(parts, answers);
  approvals.start();
  const state = () => store.read.approvals.need(approval.id).state;
  limit(1);
  clock.advance(LIMIT_MS);
  expect(state()).toBe('pending');
  limit(1_000_000);
  clock.advance(LIMIT_MS);
  expect(state()).toBe('expired');
  approvals.stop();
  answers.stop();
});
