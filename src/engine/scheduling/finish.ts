import type { Failure } from '../../contract/failure.ts';
import type { RequestId } from '../../contract/ids.ts';
import type { Request, RequestResult, RequestState } from '../../contract/request.ts';
import { isTaskOver, type Task } from '../../contract/task.ts';
import type { Collector } from '../attempts/collect.ts';
import { usageOfRequest } from '../budget/spending.ts';
import type { Parts } from '../parts.ts';

type Needed = Pick<Parts, 'store' | 'clock' | 'log'>;

type End = {
  readonly state: Extract<RequestState, 'done' | 'failed' | 'cancelled'>;
  readonly cause: string | null;
  readonly failure: Failure | null;
};

/** Ends requests whose tasks can get no further by themselves. A request whose attempt is still being cleaned up waits. */
export async function finishRequests(
  parts: Needed,
  collector: Pick<Collector, 'result'>,
  hasRun: (id: RequestId) => boolean,
): Promise<void> {
  for (const request of parts.store.read.requests.list({ state: 'running' })) {
    if (request.plan === null || hasRun(request.id)) continue;
    const tasks = parts.store.read.tasks.list({ requestId: request.id });
    if (!endOf(tasks)) continue;
    const project = parts.store.read.projects.need(request.projectId);
    try {
      const result = await collector.result(project, request, tasks);
      endRequest(parts, request, (end) => ({ ...end, result }));
    } catch (error) {
      // The repository cannot be read: that is the request's end, said with its cause; its branch, if any, is untouched.
      const message = `the result could not be read: ${error instanceof Error ? error.message : String(error)}`;
      parts.log.error({ err: error, request: request.id }, 'a result could not be read');
      const failure = { class: 'internal', message, resetAt: null } as const;
      endRequest(parts, request, () => ({ state: 'failed', cause: message, failure, result: null }));
    }
  }
}

function endRequest(
  { store, clock }: Needed,
  request: Request,
  as: (end: End) => End & { readonly result: RequestResult | null },
): void {
  store.commit((tx) => {
    // A task may have been tried again while the repository was read.
    const end = endOf(tx.tasks.list({ requestId: request.id }));
    if (tx.requests.need(request.id).state !== 'running' || end === null) return;
    const { state, ...patch } = as(end);
    const usage = usageOfRequest(tx, request);
    const meta = { actor: 'gantry', cause: patch.cause };
    tx.requests.move(request.id, 'running', state, { ...patch, usage, endedAt: clock.now() }, meta);
  });
}

/** Null while something can still move. */
export function endOf(tasks: readonly Task[]): End | null {
  if (tasks.some((t) => !isTaskOver(t.state) && t.state !== 'waiting')) return null;
  const bad = tasks.filter((t) => t.state === 'waiting' || t.state === 'failed');
  const first = bad[0];
  if (first) {
    const cause = `${bad.length} of ${tasks.length} tasks failed: ${bad.map((t) => `${t.label} (${t.cause ?? t.state})`).join('; ')}`;
    return { state: 'failed', cause, failure: first.failure };
  }
  const cancelled = tasks.filter((t) => t.state === 'cancelled');
  if (tasks.length > 0 && cancelled.length === tasks.length)
    return { state: 'cancelled', cause: 'every task was cancelled', failure: null };
  const cause = cancelled.length > 0 ? `${cancelled.length} of ${tasks.length} tasks were cancelled` : null;
  return { state: 'done', cause, failure: null };
}
