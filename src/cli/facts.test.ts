import { expect, test } from 'vitest';
import { sampleTask } from '../../test/support/rows.ts';
import type { Fact } from '../contract/fact.ts';
import { eventLine } from './facts.ts';
import { plainPaint } from './output.ts';

const row = sampleTask(1);

const lineOf = (from: string | null, to: string, about: Partial<Fact>): string => {
  const data = { from, to, cause: null, row };
  const whole = { seq: 7, at: 0, requestId: null, taskId: null, attemptId: null, sessionId: null, projectId: null };
  return eventLine({ ...whole, ...about, kind: 'task.changed', data } as Fact, 120, plainPaint).slice(33);
};

test('a row of the journal names what it is about once, and a state only as news', () => {
  expect(lineOf('ready', 'working', { taskId: row.id })).toBe(`${row.id} ready → working`);
  expect(lineOf('working', 'working', { taskId: row.id })).toBe(`${row.id} working`);
  expect(lineOf(null, 'ready', { requestId: row.requestId })).toBe(`${row.requestId} ${row.id} new → ready`);
});
