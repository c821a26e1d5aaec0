import type { PlannedTask } from '../../contract/request.ts';
import { titleOf } from './plan-fallback.ts';
import { MAX_CRITERIA, MAX_DESCRIPTION, MAX_FILES } from './plan-task.ts';

/** A label that is used twice is renamed; dependencies mean the first that had it. */
export function withUniqueLabels(tasks: readonly PlannedTask[], findings: string[]): PlannedTask[] {
  const taken = new Set(tasks.map((task) => task.id));
  const seen = new Set<string>();
  return tasks.map((task) => {
    if (!seen.has(task.id)) {
      seen.add(task.id);
      return task;
    }
    let number = 2;
    const named = (): string => `${task.id.slice(0, 34)}-${number}`;
    while (taken.has(named())) number += 1;
    const id = named();
    taken.add(id);
    findings.push(`the task_id ${task.id} is used more than once (the later one is called ${id} now)`);
    return { ...task, id };
  });
}

/** An edge to itself or to a task that is not there is left out. */
export function withKnownEdges(tasks: readonly PlannedTask[], findings: string[]): PlannedTask[] {
  const labels = new Set(tasks.map((task) => task.id));
  return tasks.map((task) => {
    const dependsOn = task.dependsOn.filter((label) => label !== task.id && labels.has(label));
    for (const label of task.dependsOn) {
      if (label === task.id) findings.push(`${task.id} depends on itself (left out)`);
      else if (!labels.has(label)) findings.push(`${task.id} depends on ${label}, which is not in the plan (left out)`);
    }
    return { ...task, dependsOn };
  });
}

/** The labels of one cycle, its first one again at the end; null if there is none. */
export function cycleIn(tasks: readonly PlannedTask[]): string[] | null {
  const byLabel = new Map(tasks.map((task) => [task.id, task]));
  const ended = new Set<string>();
  const path: string[] = [];
  const visit = (label: string): string[] | null => {
    if (ended.has(label)) return null;
    const at = path.indexOf(label);
    if (at >= 0) return [...path.slice(at), label];
    path.push(label);
    for (const next of byLabel.get(label)?.dependsOn ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    ended.add(label);
    return null;
  };
  for (const { id } of tasks) {
    const cycle = visit(id);
    if (cycle) return cycle;
  }
  return null;
}

/** The tasks in an order in which every one comes after those it depends on, as near to the given one as may be; null for a cycle. */
export function inDependencyOrder(tasks: readonly PlannedTask[]): PlannedTask[] | null {
  const done = new Set<string>();
  const ordered: PlannedTask[] = [];
  let rest = [...tasks];
  while (rest.length > 0) {
    const next = rest.find((task) => task.dependsOn.every((label) => done.has(label)));
    if (!next) return null;
    done.add(next.id);
    ordered.push(next);
    rest = rest.filter((task) => task !== next);
  }
  return ordered;
}

/** At most `maxTasks` tasks: what is too much is done by the last one, with its criteria. Wants a plan without cycles. */
export function mergeRest(ordered: readonly PlannedTask[], maxTasks: number): PlannedTask[] {
  const kept = ordered.slice(0, maxTasks);
  const last = kept.at(-1);
  const rest = ordered.slice(maxTasks);
  if (!last || rest.length === 0) return kept;
  const merged = [last, ...rest];
  // Nothing before the cut depends on what comes after it: the order is one of dependencies.
  const before = new Set(kept.slice(0, -1).map((task) => task.id));
  const whole: PlannedTask = {
    ...last,
    title: titleOf(`${last.title.slice(0, 60)} (and ${rest.length} more)`),
    description: merged
      .map((task) => `${task.title}\n${task.description}`)
      .join('\n\n')
      .slice(0, 3 * MAX_DESCRIPTION),
    files: unique(merged.flatMap((task) => task.files)).slice(0, MAX_FILES),
    successCriteria: merged.flatMap((task) => task.successCriteria).slice(0, 2 * MAX_CRITERIA),
    budget: 'large',
    dependsOn: unique(merged.flatMap((task) => task.dependsOn)).filter((label) => before.has(label)),
  };
  return [...kept.slice(0, -1), whole];
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
