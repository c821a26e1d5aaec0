import { readFileSync, statSync } from 'node:fs';
import { settled } from '../base/wait.ts';
import type { MatrixActs } from '../bridges/matrix/listen.ts';
import type { MatrixWorld } from '../bridges/matrix/matrix.ts';
import type { Decision } from '../contract/approval.ts';
import type { Caller } from '../contract/caller.ts';
import { requestOf } from '../contract/delegation.ts';
import { AppError } from '../contract/errors.ts';
import { ApprovalId, RequestId } from '../contract/ids.ts';
import type { MatrixSettings } from '../contract/matrix.ts';
import { isTaskOver, type Task } from '../contract/task.ts';
import type { Engine } from '../engine/engine.ts';
import type { Reader, Store } from '../store/store.ts';
import { type Environment, variable } from './environment.ts';

/** How long an answer waits for the end of what was stopped. */
const STOP_LIMIT_MS = 5_000;
const LIVE = ['ready', 'deferred', 'assigned', 'working', 'verifying', 'waiting'] as const;

/** The access token; null if it is not there, or if others may read its file. */
export function matrixToken({ token, tokenFile }: MatrixSettings, environment: Environment): string | null {
  if (token !== undefined) return variable(environment, token) ?? null;
  if (tokenFile === undefined) return null;
  const stat = statSync(tokenFile, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || (stat.mode & 0o077) !== 0) return null;
  return readFileSync(tokenFile, 'utf8').trim() || null;
}

/** What the Matrix bridge reads of the store and does with the engine. */
export function matrixWorld(store: Store, engine: Engine): Omit<MatrixWorld, 'now' | 'log' | 'homeId' | 'ready'> {
  const { read } = store;
  return {
    memory: {
      get: (key) => read.meta.get(key),
      set: (key, value) => store.commit((tx) => tx.meta.set(key, value)),
    },
    task: (id) => read.tasks.get(id),
    tasksOf: (id) => read.tasks.list({ requestId: id }),
    isPaused: ({ requestId }) => read.requests.get(requestId)?.state === 'paused',
    approval: (id) => read.approvals.get(id),
    observersOf: ({ requestId }) => read.requests.get(requestId)?.delegation?.observers ?? [],
    named: (id) => taskNamed(read, id),
    live: () => LIVE.flatMap((state) => read.tasks.list({ state })),
    pending: ({ id }) => read.approvals.list({ taskId: id, state: 'pending' }),
    acts: matrixActs(store, engine),
  };
}

function taskNamed(read: Pick<Reader, 'tasks'>, id: string): Task | null {
  if (id.startsWith('tsk_')) return read.tasks.get(id);
  const { data } = RequestId.safeParse(requestOf(id));
  return data === undefined ? null : onlyTaskOf(read, data);
}

function onlyTaskOf(read: Pick<Reader, 'tasks'>, requestId: RequestId): Task | null {
  const tasks = read.tasks.list({ requestId });
  return tasks.length === 1 ? (tasks[0] ?? null) : null;
}

/** A sender is a person: what they do is recorded as done by them. */
const callerOf = (sender: string): Caller => ({ actor: `matrix:${sender}`, scope: 'admin', agent: null });

function matrixActs(store: Store, engine: Engine): MatrixActs {
  const { read } = store;
  const decide = (id: string, decision: Decision, sender: string): string => {
    const { state } = engine.decide(pendingId(id), decision, callerOf(sender));
    return `${id} is ${state}.`;
  };
  return {
    control: async (verb, task, reason, sender) => {
      // A task goes alone only out of the way; its request stands still and goes on as a whole.
      const isWhole = verb !== 'cancel' || onlyTaskOf(read, task.requestId) !== null;
      const id = isWhole ? task.requestId : task.id;
      const done = engine[verb](id, reason || undefined, callerOf(sender));
      const isDone = await settled(
        done.then(() => true),
        STOP_LIMIT_MS,
      );
      const state = isWhole ? read.requests.need(task.requestId).state : read.tasks.need(task.id).state;
      return `${id} is ${state}${isDone ? '' : '; what runs has not stopped yet'}.`;
    },
    say: (task, text, sender) => {
      const { id, agent, state, requestId } = read.tasks.need(task.id);
      if (isTaskOver(state)) throw new AppError('conflict', `${id} is ${state}: nobody works on it any more`);
      if (agent === null) throw new AppError('conflict', `${id} is ${state}: nobody works on it yet`);
      const words = `${sender} (Matrix): ${text}`;
      if (read.requests.need(requestId).delegation !== null) {
        const input = { id: requestId, text: words, noteType: 'feedback', metadata: {} } as const;
        engine.delegations.message(input, callerOf(sender));
      } else {
        engine.send({ to: agent, text: words, mode: 'next-turn' }, callerOf(sender));
      }
      return `Given to ${agent}.`;
    },
    decide,
    answer: (id, text, sender) => {
      const { subject } = read.approvals.need(pendingId(id));
      const count = subject.type === 'question' ? subject.questions.length : 1;
      const lines = count === 1 ? [text] : text.split('\n').map((line) => line.trim());
      return decide(id, { type: 'answer', answers: lines.map((line) => [line]) }, sender);
    },
    refused: (task, what, sender) => {
      const subject = task === null ? {} : { taskId: task.id, requestId: task.requestId, projectId: task.projectId };
      const data = { level: 'warning', text: `from Matrix, not carried out: ${what}` } as const;
      store.commit((tx) => tx.record('notice', data, subject, `matrix:${sender}`));
    },
  };
}

function pendingId(id: string): ApprovalId {
  const parsed = ApprovalId.safeParse(id);
  if (!parsed.success) throw new AppError('bad_request', `${id} is not the id of an approval, which begins with apr_`);
  return parsed.data;
}
