import type { PlannedTask } from '../../contract/request.ts';
import { cycleIn, withKnownEdges, withUniqueLabels } from './plan-graph.ts';
import type { Entry } from './plan-read.ts';
import { type TaskLimits, taskOf } from './plan-task.ts';

/** A plan whose tasks are sound one by one. */
export type Draft = {
  /** Labels are unique, edges lead to other tasks of the list; it may still be too long or hold a cycle. */
  readonly tasks: readonly PlannedTask[];
  /** What a second call should mend. */
  readonly findings: readonly string[];
  /** What was changed or dropped without asking the planner again. */
  readonly notices: readonly string[];
};

const MAX_ENTRIES = 200;
const MAX_NOTICES = 40;

/** Makes every entry a sound task, and says what is wrong with the whole. */
export function checkPlan(entries: readonly Entry[], limits: TaskLimits & { readonly maxTasks: number }): Draft {
  const notices: string[] = [];
  const findings: string[] = [];
  if (entries.length > MAX_ENTRIES) notices.push(`of ${entries.length} tasks only the first ${MAX_ENTRIES} were read`);
  const drafts = entries
    .slice(0, MAX_ENTRIES)
    .flatMap((entry, i) => taskOf(entry, i, limits, (notice) => notices.push(notice)) ?? []);
  const labelled = withUniqueLabels(drafts, findings);
  const tasks = withKnownEdges(labelled, findings);
  if (tasks.length > limits.maxTasks)
    findings.push(`there are ${tasks.length} tasks, at most ${limits.maxTasks} are allowed`);
  const cycle = cycleIn(tasks);
  if (cycle) findings.push(`the dependencies form a cycle: ${cycle.join(' → ')}`);
  return { tasks, findings: bounded(findings), notices: bounded(notices) };
}

const bounded = (lines: readonly string[]): string[] =>
  lines.length <= MAX_NOTICES
    ? [...lines]
    : [...lines.slice(0, MAX_NOTICES), `… and ${lines.length - MAX_NOTICES} more`];
