import type { Failure } from '../contract/failure.ts';
import type { Request } from '../contract/request.ts';
import type { Task } from '../contract/task.ts';
import type { Settings } from './settings.ts';

/** Whether what is known to have been spent is over a limit. Unknown costs do not count: they are shown as unknown. */
export function overBudget(
  task: Task,
  request: Request,
  tasks: readonly Task[],
  limits: Pick<Settings['limits'], 'taskUsd' | 'requestUsd'>,
): Failure | null {
  const requestLimit = request.options.budgetUsd ?? limits.requestUsd;
  const spent = tasks.reduce((sum, t) => sum + (t.usage.costUsd ?? 0), request.plan?.usage.costUsd ?? 0);
  return exceeded('task', task.usage.costUsd ?? 0, limits.taskUsd) ?? exceeded('request', spent, requestLimit);
}

const exceeded = (what: string, spentUsd: number, limitUsd: number | null): Failure | null =>
  limitUsd !== null && spentUsd > limitUsd
    ? {
        class: 'budget',
        message: `the ${what} has cost $${spentUsd.toFixed(4)}, its limit is $${limitUsd}`,
        resetAt: null,
      }
    : null;
