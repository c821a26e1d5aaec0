import { expect, test } from 'vitest';
import { sampleRequest, sampleTask } from '../../../test/support/rows.ts';
import { type Fact, type FactData, type FactKind, NO_SUBJECT } from '../../contract/fact.ts';
import { legacyForm } from './legacy-form.ts';

const names = { project: (id: string | null) => (id === null ? null : 'demo') };
const form = legacyForm(undefined, 1_000, names);

function fact<K extends FactKind>(kind: K, data: FactData<K>): Fact {
  const subject = { ...NO_SUBJECT, projectId: 'prj_000000001', requestId: 'req_000000001' } as const;
  return { ...subject, seq: 7, at: 5, kind, actor: 'person', data } as Fact;
}
const told = (kind: FactKind, data: unknown) =>
  form.entries(fact(kind, data as never), () => null).map(({ payload }) => payload) as {
    hook_event_type: string;
    payload: unknown;
  }[];
const request = (from: string | null, over: Parameters<typeof sampleRequest>[0]) => {
  const row = sampleRequest(over);
  return told('request.changed', { from, to: row.state, cause: null, row });
};
const task = (from: string | null, over: Parameters<typeof sampleTask>[1]) => {
  const row = sampleTask(1, over);
  return told('task.changed', { from, to: row.state, cause: null, row });
};

test('a request begins a session with its prompt, in order and in the older envelope', () => {
  const events = request(null, { state: 'planning', text: 'Do it', plan: null });
  expect(events).toEqual([
    {
      source_app: 'demo',
      session_id: 'req_000000001',
      hook_event_type: 'SessionStart',
      payload: { mode: 'cli', request: 'Do it' },
    },
    {
      source_app: 'demo',
      session_id: 'req_000000001',
      hook_event_type: 'UserPromptSubmit',
      payload: { message: 'Do it', prompt: 'Do it', mode: 'cli' },
    },
  ]);
});

test('a request that ends says why', () => {
  const failure = { class: 'verification', message: 'a check failed', resetAt: null } as const;
  expect(request('running', { state: 'failed', failure })).toMatchObject([
    { hook_event_type: 'SessionEnd', payload: { reason: 'failed', error: 'a check failed' } },
  ]);
});

test('a planner that failed is a failed task of its own', () => {
  const failure = { class: 'model', message: 'no answer', resetAt: null } as const;
  const events = request('planning', { state: 'failed', plan: null, failure });
  expect(events.map((event) => event.hook_event_type)).toEqual(['TaskFailed', 'SessionEnd']);
  expect(events[0]?.payload).toMatchObject({ task_id: 'planner', success: false, errors: ['no answer'] });
});

test('a task is planned, assigned, and ends with its files', () => {
  expect(task(null, {})).toMatchObject([{ hook_event_type: 'TaskPlanned', payload: { task_id: 'tsk_000000001' } }]);
  expect(task('ready', { state: 'assigned', agent: 'demo/worker/w1' })).toMatchObject([
    { hook_event_type: 'TaskAssigned', payload: { worker_id: 'demo/worker/w1' } },
  ]);
  const file = (path: string, status: 'added' | 'modified') => ({ path, status, additions: 1, deletions: 0 });
  const result = {
    summary: '',
    commit: null,
    branch: 'b',
    checks: [],
    filesChanged: [file('new', 'added'), file('old', 'modified')],
  };
  expect(task('verifying', { state: 'done', result })).toMatchObject([
    {
      hook_event_type: 'TaskCompleted',
      payload: { success: true, files_created: ['new'], files_modified: ['old'], errors: [] },
    },
  ]);
  expect(task('working', { state: 'failed', cause: 'gave up' })).toMatchObject([
    { hook_event_type: 'TaskFailed', payload: { success: false, errors: ['gave up'] } },
  ]);
  expect(task('working', { state: 'cancelled', cause: 'asked' })).toMatchObject([
    { hook_event_type: 'TaskCancelled', payload: { who: 'person', reason: 'asked' } },
  ]);
  expect(task('working', { state: 'working' })).toEqual([]);
});

test.each([
  ['completed', 'ToolCompleted', true],
  ['error', 'ToolFailed', false],
  ['interrupted', 'ToolFailed', false],
] as const)('a tool that ended as %s is a %s', (status, type, success) => {
  const data = { callId: 'c', tool: 'bash', title: 't', status, output: 'x'.repeat(30_000), isTruncated: false };
  const [event] = told('tool.ended', data);
  expect(event).toMatchObject({ hook_event_type: type, payload: { call_id: 'c', tool: 'bash', success } });
  expect(JSON.stringify(event).length).toBeLessThan(21_000);
});

test('only what is asked for is told, with one key per event', () => {
  const row = sampleRequest({ state: 'planning' });
  const entries = legacyForm(['UserPromptSubmit'], 1_000, names).entries(
    fact('request.changed', { from: null, to: 'planning', cause: null, row }),
    () => null,
  );
  expect(entries).toMatchObject([{ key: '7.1', lane: 'req_000000001', expiresAt: 1_005 }]);
});
