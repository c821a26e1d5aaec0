import fc from 'fast-check';
import { expect, test } from 'vitest';
import { START, sampleTask } from '../../../test/support/rows.ts';
import { type Fact, NO_SUBJECT } from '../../contract/fact.ts';
import type { Task } from '../../contract/task.ts';
import { blockStatus, blockValue, type Shown, smallestBlock } from './block.ts';
import { noticeText } from './notice.ts';

const check = (seq: number, text: string): Fact => {
  const data = { round: 1, check: { text, command: null, isMet: true, exitCode: 0, output: '', durationMs: 1 } };
  return { ...NO_SUBJECT, seq, at: START + seq, kind: 'check.ran', actor: 'gantry', data };
};
const result = (summary: string): Task['result'] => ({
  ...{ summary, commit: null, branch: 'b', checks: [] },
  filesChanged: [{ path: 'a.txt', status: 'added', additions: 1, deletions: 0 }],
});
const shown = (task: Task, isPaused = false): Shown => ({
  ...{ task, isPaused, name: 'task-1', agent: 'agent', roomId: null },
});
type Value = { status: string; events: { type: string; message: string }[]; artifacts: { content: string }[] };
const read = (text: string): Value => JSON.parse(text) as Value;

test('a short task is shown whole', () => {
  const task = sampleTask(1, { state: 'done', result: result('made it') });
  const value = read(blockValue(shown(task), [check(1, 'It runs')], { maxLength: 50_000, maxEvents: 50 }));
  expect(value).toMatchObject({
    ...{ version: '1.0.0', task_id: 'task-1', agent_id: 'agent', status: 'completed' },
    events: [{ type: 'task_progress', message: 'Met: It runs' }],
    artifacts: [{ content: 'made it' }, { content: 'added a.txt' }],
    metadata: { task_description: 'Do it.' },
  });
});

test('only the newest events are shown, and it says how many are not', () => {
  const facts = Array.from({ length: 60 }, (_, i) => check(i, `check ${i}`));
  const { events } = read(blockValue(shown(sampleTask(1)), facts, { maxLength: 50_000, maxEvents: 50 }));
  expect(events).toHaveLength(51);
  expect(events[0]?.message).toBe('[System: Pruned 10 older events to stay within 50 event limit]');
  expect(events.at(-1)?.message).toBe('Met: check 59');
});

test('outputs are cut first, with head and tail kept', () => {
  const task = sampleTask(1, { state: 'done', result: result(`head${'x'.repeat(60_000)}tail`) });
  const value = read(blockValue(shown(task), [check(1, 'It runs')], { maxLength: 8_000, maxEvents: 50 }));
  expect(value.artifacts[0]?.content).toMatch(/^headx+… \[truncated: \d+ of 60008 characters; .*\] …x+tail$/);
  expect(value.events).toHaveLength(1);
});

test('whatever there is, the value is whole JSON within the limit', () => {
  const texts = fc.array(fc.string({ maxLength: 3_000 }), { maxLength: 40 });
  fc.assert(
    fc.property(texts, fc.string({ maxLength: 9_000 }), fc.integer({ min: 2_000, max: 9_000 }), (words, long, max) => {
      const task = sampleTask(1, { state: 'failed', description: long || 'x', result: result(long) });
      const text = blockValue(
        shown(task),
        words.map((word, i) => check(i, word)),
        { maxLength: max, maxEvents: 9 },
      );
      expect(text.length).toBeLessThanOrEqual(max);
      expect(read(text).status).toBe('failed');
    }),
    { numRuns: 50 },
  );
});

test.each([
  [{ state: 'ready' }, 'pending'],
  [{ state: 'assigned' }, 'pending'],
  [{ state: 'verifying' }, 'running'],
  [{ state: 'waiting' }, 'running'],
  [{ state: 'cancelled' }, 'cancelled'],
  [{ state: 'failed', failure: { class: 'timeout', message: 'late', resetAt: null } }, 'timeout'],
] as const)('%o is %s', (over, status) => {
  const task = sampleTask(1, over);
  expect(blockStatus({ task, isPaused: false })).toBe(status);
  expect(read(smallestBlock(shown(task))).status).toBe(status);
});

test('a task that stands still is paused until it goes on or ends', () => {
  const at = (over: Partial<Task>) => blockStatus(shown(sampleTask(1, over), true));
  expect([at({ state: 'working' }), at({ state: 'ready' }), at({ state: 'cancelled' })]).toEqual([
    ...['paused', 'paused', 'cancelled'],
  ]);
});

test('an end tells its time, and the exit code and the room if there are any', () => {
  const failure = { class: 'crash', message: 'it ended', resetAt: null, exitCode: 3 } as const;
  const task = sampleTask(1, { state: 'failed', failure, endedAt: START + 35 });
  const data = { from: 'working', to: 'failed', row: task, cause: null } as const;
  const fact: Fact = { ...NO_SUBJECT, seq: 1, at: START, kind: 'task.changed', actor: 'gantry', data };
  const value = blockValue({ ...shown(task), roomId: '!a:b' }, [fact], { maxLength: 9_000, maxEvents: 9 });
  expect(JSON.parse(value).events).toEqual([
    {
      ...{ timestamp: START, type: 'task_failed', message: 'it ended' },
      data: { exit_code: 3, duration_ms: 35, matrix_room_id: '!a:b' },
    },
  ]);
  expect(noticeText(task, 'task-1')).toContain('Status: failed\\nExit Code: 3');
});

test('a notice has the form of an alert of Letta, with what there is', () => {
  const failure = { class: 'verification', message: 'a check failed', resetAt: null } as const;
  const task = sampleTask(1, { state: 'failed', failure, endedAt: START + 35, result: result('y'.repeat(2_000)) });
  const notice = JSON.parse(noticeText(task, 'task-1')) as { type: string; message: string; time: string };
  expect(notice).toMatchObject({ type: 'system_alert', time: '11/14/2023, 10:13:20 PM UTC' });
  expect(notice.message).toBe(
    [
      '❌ OpenCode Task Failed',
      'Task ID: task-1\nDescription: Do it.\nDuration: 35ms\nStatus: failed',
      `Output:\n${'y'.repeat(1_000)}`,
      '... (truncated, use get_task_history for full output)',
      'Error: a check failed',
    ].join('\n\n'),
  );
});
