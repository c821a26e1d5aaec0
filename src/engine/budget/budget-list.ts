import type { BudgetRow } from '../../contract/budget.ts';
import { isTaskOver, type Task } from '../../contract/task.ts';
import type { Parts } from '../parts.ts';
import { linesOf, type Scope, scopesIn } from './budget.ts';
import { spendingOf } from './spending.ts';

type About = Pick<BudgetRow, 'name' | 'projectId' | 'requestId' | 'taskId'>;

/** Every limit that holds now: of the day, projects, roles, and of requests and tasks that are not over. */
export function budgetRows(parts: Parts): BudgetRow[] {
  const { read } = parts.store;
  const spending = spendingOf(parts, read, null);
  const rows = new Map<string, BudgetRow>();
  const add = (scope: Scope, about: Partial<About>): void => {
    for (const { what: _, ...line } of linesOf(read, scope)) {
      const row = { scope: scope.scope, name: null, projectId: null, requestId: null, taskId: null, ...about, ...line };
      // A project may lower what holds for all: the narrowest is told.
      if (row.limit < (rows.get(row.key)?.limit ?? Number.POSITIVE_INFINITY)) rows.set(row.key, row);
    }
  };
  const tasks = Map.groupBy(openTasks(parts), ({ projectId }) => projectId);
  for (const { id: projectId, name } of read.projects.list({ state: 'active' })) {
    const of = scopesIn(parts, read, projectId, spending);
    add(of.day(), {});
    add(of.project(projectId), { name, projectId });
    for (const role of of.roles) add(of.role(role), { name: role });
    const own = tasks.get(projectId) ?? [];
    for (const requestId of new Set(own.map((task) => task.requestId))) {
      const request = read.requests.need(requestId);
      add(of.request(request), { name: request.text, projectId, requestId });
    }
    for (const task of own) {
      add(of.task(task), { name: task.title, projectId, requestId: task.requestId, taskId: task.id });
    }
  }
  return [...rows.values()].sort((a, b) => ORDER.indexOf(a.scope) - ORDER.indexOf(b.scope));
}

const ORDER: readonly BudgetRow['scope'][] = ['day', 'project', 'role', 'request', 'task'];

function openTasks({ store }: Parts): Task[] {
  const requests = store.read.requests.list({ state: ['planning', 'running', 'paused'] }).map(({ id }) => id);
  if (requests.length === 0) return [];
  return store.read.tasks.list({ requestId: requests }).filter(({ state }) => !isTaskOver(state));
}
