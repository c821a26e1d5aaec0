import { expect, test } from 'vitest';
import { START, sampleAttempt, samplePlan, sampleRequest, sampleTask } from '../../test/support/rows.ts';
import { type Fact, type FactData, type FactKind, NO_SUBJECT } from '../contract/fact.ts';
import { Relay } from './relay.ts';
import { contextWords } from './words.ts';

let seq = 0;
const fact = <K extends FactKind>(kind: K, data: FactData<K>, taskId: Fact['taskId'] = null): Fact => {
  seq += 1;
  return { ...NO_SUBJECT, taskId, seq, at: START, kind, actor: 'gantry', data } as Fact;
};
const changed = <R>(row: R, from: string | null, to: string) => ({ from, to, cause: null, row });

test('what becomes of a request is told under the session, each thing once and in order', () => {
  const request = sampleRequest({ plan: samplePlan() });
  const [task, attempt] = [sampleTask(1), sampleAttempt(1)];
  const done = sampleTask(1, { state: 'done' });
  const call = { callId: 'c1', tool: 'write', title: 'hello.py' };
  const facts = [
    fact('request.changed', changed(request, 'planning', 'running')),
    fact('task.changed', changed(task, null, 'ready')),
    fact('attempt.changed', changed(attempt, null, 'starting')),
    fact('tool.started', { ...call, input: { path: 'hello.py' } }, task.id),
    fact('tool.ended', { ...call, status: 'completed', output: 'ok', isTruncated: false }, task.id),
    fact('task.changed', changed(done, 'verifying', 'done')),
  ];
  const relay = new Relay('ses_1', sampleRequest());
  // As after a broken connection: everything comes once more.
  const told = [...facts, ...facts].flatMap((one) => relay.fact(one));
  expect(told.map(({ type, payload }) => [type, payload.task_id])).toEqual([
    ['TaskPlanned', 'T1'],
    ['TaskPlanned', 'T2'],
    ['TaskAssigned', 'T1'],
    ['ToolRequested', 'T1'],
    ['ToolCompleted', 'T1'],
    ['TaskCompleted', 'T1'],
  ]);
  expect(new Set(told.map(({ sessionId }) => sessionId))).toEqual(new Set(['ses_1']));
});

test('a refused tool and a failed task say why', () => {
  const relay = new Relay('ses_1', sampleRequest());
  const failed = sampleTask(1, { state: 'failed', cause: 'a person denied it' });
  const told = [
    fact('tool.ended', {
      callId: 'c',
      tool: 'bash',
      title: 'rm',
      status: 'error',
      output: 'denied',
      isTruncated: false,
    }),
    fact('task.changed', changed(failed, 'working', 'failed')),
  ].flatMap((one) => relay.fact(one));
  expect(told).toMatchObject([
    { type: 'ToolFailed', payload: { success: false, error: 'denied' } },
    { type: 'TaskFailed', payload: { success: false, errors: ['a person denied it'] } },
  ]);
});

test('the text for the session’s model stays below 500 tokens and holds nothing that changes by itself', () => {
  const long = sampleRequest({
    plan: samplePlan({ tasks: Array.from({ length: 20 }, (_, i) => ({ ...planned(), id: `T${i}` })) }),
  });
  const words = contextWords([
    { request: long, tasks: [] },
    { request: long, tasks: [] },
  ]);
  expect(words.length).toBeLessThanOrEqual(1_500);
  expect(words).toContain(long.id);
  expect(words).toMatch(/gantry_send\.$/);
  expect(words).not.toMatch(/\d\d:\d\d|ago|ms\b/);
});

const planned = () => {
  const [task] = samplePlan().tasks;
  if (!task) throw new Error('the sample has no task');
  return task;
};
