import type { QueueRow } from '../../contract/agent-operations.ts';
import type { ProjectId } from '../../contract/ids.ts';
import type { Task } from '../../contract/task.ts';
import type { Parts } from '../parts.ts';
import type { Dispatcher } from './dispatch.ts';

/** What waits: first for a place, in the order in which places are given; then for a time; then for other tasks. */
export function queueRows(parts: Parts, dispatcher: Dispatcher, projectId: ProjectId | null): QueueRow[] {
  const { read } = parts.store;
  const now = parts.clock.now();
  const row = (task: Task, position: number | null, reason: string): QueueRow => ({
    position,
    taskId: task.id,
    requestId: task.requestId,
    title: task.title,
    project: read.projects.need(task.projectId).name,
    role: task.role,
    backend: task.backend,
    priority: task.priority,
    state: task.state,
    age: now - task.createdAt,
    reason,
  });
  const waiting = dispatcher.outlook().waiting.map((w) => row(read.tasks.need(w.id), w.position, w.reason));
  const deferred = read.tasks.list({ state: 'deferred' }).sort((a, b) => (a.notBefore ?? 0) - (b.notBefore ?? 0));
  return [
    ...waiting,
    ...deferred.map((task) => row(task, null, untilText(task))),
    ...read.tasks.list({ state: 'blocked' }).map((task) => row(task, null, blockedText(parts, task))),
  ].filter((one) => projectId === null || read.tasks.need(one.taskId).projectId === projectId);
}

const untilText = ({ cause, notBefore }: Task): string =>
  [cause, notBefore === null ? null : `goes on at ${new Date(notBefore).toISOString()}`].filter(Boolean).join('; ');

function blockedText({ store }: Parts, task: Task): string {
  const needs = task.dependsOn.flatMap((id) => store.read.tasks.get(id) ?? []).filter((t) => t.state !== 'done');
  return `waits for ${needs.map((t) => `${t.title} (${t.id}, ${t.state})`).join(', ')}`;
}
