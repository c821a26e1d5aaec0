import { expect, test } from 'vitest';
import type { Approval } from '../../src/contract/approval.ts';
import { type Fact, NO_SUBJECT } from '../../src/contract/fact.ts';
import type { Session } from '../../src/contract/session.ts';
import { NO_USAGE } from '../../src/contract/usage.ts';
import { type Branch, sessionTree, troubleBelow } from './session-tree.ts';

const branch = (what: Branch['what'], state: string, ...children: Branch[]): Branch => ({
  ...{ id: what, what, name: what, state, used: null, children },
});
const failed = branch('attempt', 'failed', branch('session', 'failed'));
const done = branch('attempt', 'done', branch('session', 'stopped'));

test('a task that a person must decide on waits, and its failed attempt is told too', () => {
  const request = branch('request', 'running', branch('task', 'waiting', failed));
  expect(troubleBelow(request)).toEqual({ failed: 1, waiting: 1 });
});

test('an attempt that failed is told until its task is done', () => {
  const under = (state: string, ...more: Branch[]): Branch => branch('task', state, failed, ...more);
  const request = (task: Branch): Branch => branch('request', 'running', task);
  expect(troubleBelow(request(under('working', branch('attempt', 'working'))))).toEqual({ failed: 1, waiting: 0 });
  expect(troubleBelow(under('done', done))).toEqual({ failed: 0, waiting: 0 });
  expect(troubleBelow(request(under('done', done)))).toEqual({ failed: 0, waiting: 0 });
});

test('a failed sub-agent is told until the attempt is done', () => {
  const attempt = (state: string): Branch =>
    branch('attempt', state, branch('session', 'idle', branch('sub-agent', 'failed'), branch('sub-agent', 'running')));
  expect(troubleBelow(branch('task', 'working', attempt('working')))).toEqual({ failed: 1, waiting: 0 });
  expect(troubleBelow(branch('task', 'working', attempt('done')))).toEqual({ failed: 0, waiting: 0 });
});

const sessionId = 'sess_000000001';
const session: Session = {
  ...{ id: sessionId, backend: 'opencode', nativeId: 'ses_e048', purpose: 'exec', attemptId: null, agent: null },
  ...{ directory: '/', host: 'local', model: null, state: 'running', activity: 'busy', cause: null, failure: null },
  ...{ usage: NO_USAGE, lastEventAt: 1, createdAt: 1, updatedAt: 1, endedAt: null },
};
const permission: Approval = {
  ...{ id: 'apr_000000001', sessionId, attemptId: null, taskId: null, requestId: null, agent: null },
  subject: { type: 'permission', call: { tool: 'bash', patterns: ['rm x'], command: 'rm x', diff: null } },
  ...{ backend: 'opencode', project: 'demo', nativeId: 'per_1', isFromChild: true, childId: 'ses_below' },
  ...{ state: 'pending', decision: null, decidedBy: null, cause: null, isDelivered: false },
  ...{ expiresAt: 9, createdAt: 1, updatedAt: 1 },
};
let seq = 0;
const fact = (kind: 'child.started' | 'child.state', data: object): Fact => {
  seq += 1;
  return { ...NO_SUBJECT, sessionId, seq, at: seq, actor: 'gantry', kind, data } as Fact;
};
/** As the driver of OpenCode has told them (1.18.33), the last again after a restart. */
const below = { nativeId: 'ses_below', title: 'below (@general subagent)', parentId: 'ses_above' };
const told = [
  fact('child.started', { nativeId: 'ses_above', title: 'above (@general subagent)' }),
  fact('child.state', { nativeId: 'ses_above', state: 'running' }),
  fact('child.started', below),
  fact('child.state', { nativeId: 'ses_below', state: 'running' }),
  fact('child.started', { nativeId: 'ses_old', title: 'of an older journal' }),
  fact('child.started', below),
];

/** The tree's states, and what the session says of those below it. */
function statesOf(state: Session['state'], facts: readonly Fact[], approval: Partial<Approval> | null = null) {
  const approvals = new Map(approval ? [[permission.id, { ...permission, ...approval }]] : []);
  const rows = { requests: new Map(), tasks: new Map(), attempts: new Map(), approvals };
  const [root] = sessionTree({ ...rows, sessions: new Map([[sessionId, { ...session, state }]]) }, facts);
  const states = (branch: Branch): unknown[] => [branch.state, ...branch.children.map(states)];
  return { states: root?.children.map(states), ...(root && troubleBelow(root)) };
}

test('a sub-agent stands where its program has last said, or it waits for the answer to its question', () => {
  expect(statesOf('running', told)).toEqual({
    states: [['running', ['running']], ['unknown']],
    ...{ failed: 0, waiting: 0 },
  });
  expect(statesOf('running', told, {})).toMatchObject({
    states: [['running', ['waiting-approval']], ['unknown']],
    waiting: 1,
  });
  expect(statesOf('running', told, { subject: { type: 'question', questions: [] } })).toMatchObject({
    states: [['running', ['waiting-answer']], ['unknown']],
  });
  expect(statesOf('running', told, { state: 'allowed' })).toMatchObject({ waiting: 0 });
  const failed = fact('child.state', { nativeId: 'ses_below', state: 'failed' });
  expect(statesOf('running', [...told, failed])).toMatchObject({
    states: [['running', ['failed']], ['unknown']],
    failed: 1,
  });
});

test('what ran when its session ended or was lost has an unknown end; what had ended keeps it', () => {
  const done = fact('child.state', { nativeId: 'ses_above', state: 'done' });
  for (const state of ['stopped', 'failed', 'lost'] as const) {
    expect(statesOf(state, [...told, done]).states).toEqual([['done', ['unknown']], ['unknown']]);
  }
});
