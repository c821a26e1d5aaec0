import type { Attempt } from '../contract/attempt.ts';
import type { FactSubject } from '../contract/fact.ts';
import type { Task } from '../contract/task.ts';

/** What a fact about an attempt's work is about. */
export const subjectOf = (task: Task, attempt: Attempt): Partial<FactSubject> => ({
  projectId: task.projectId,
  requestId: task.requestId,
  taskId: task.id,
  attemptId: attempt.id,
  sessionId: attempt.sessionId,
  agent: attempt.agent,
});
