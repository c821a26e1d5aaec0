import type { BudgetRow } from '../../contract/budget.ts';
import type { Budget } from '../../contract/config.ts';
import type { Failure } from '../../contract/failure.ts';
import type { ProjectId, TaskId } from '../../contract/ids.ts';
import type { Request } from '../../contract/request.ts';
import type { Task } from '../../contract/task.ts';
import type { Usage } from '../../contract/usage.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import { propose } from '../approvals/proposals.ts';
import type { Parts } from '../parts.ts';
import type { Rerouted } from '../scheduling/failover.ts';
import { settingsOrUsual } from '../settings.ts';
import { raisesOf } from './budget-raises.ts';
import { type Spending, type Spent, spendingOf } from './spending.ts';
import { dayOf } from './spent-today.ts';

/** One limit that holds for a task, with what was spent against it. */
export type Line = Pick<BudgetRow, 'key' | 'kind' | 'limit' | 'spent' | 'reserved'> & { readonly what: string };

/** A limit that is crossed. */
export type Overrun = { readonly line: Line; readonly failure: Failure };

/** Something that has a budget, and what was spent against it. */
export type Scope = {
  readonly scope: BudgetRow['scope'];
  readonly what: string;
  readonly id: string;
  readonly budget: Budget;
  readonly spent: () => Spent;
};

/** What may have a budget in a project. */
export function scopesIn(parts: Parts, read: Reader, projectId: ProjectId | null, spending: Spending) {
  const path = projectId === null ? null : read.projects.need(projectId).path;
  const { limits, budgets, roles } = settingsOrUsual(parts.settingsFor, path);
  const day = dayOf(parts.clock.now());
  return {
    roles: Object.keys(roles),
    task: (task: Task): Scope => ({
      scope: 'task',
      what: 'task',
      id: task.id,
      budget: { usd: roles[task.role]?.taskUsd ?? limits.taskUsd ?? undefined, ...budgets?.task },
      spent: () => spending.ofTask(task),
    }),
    request: (request: Request): Scope => ({
      scope: 'request',
      what: 'request',
      id: request.id,
      budget: { usd: request.options.budgetUsd ?? limits.requestUsd ?? undefined, ...budgets?.request },
      spent: () => spending.ofRequest(request),
    }),
    role: (role: string): Scope => ({
      scope: 'role',
      what: `role ${role}`,
      id: `${role}:${day}`,
      budget: roles[role]?.budget ?? {},
      spent: () => spending.ofRole(role),
    }),
    project: (id: ProjectId): Scope => ({
      scope: 'project',
      what: 'project',
      id: `${id}:${day}`,
      budget: budgets?.project ?? {},
      spent: () => spending.ofProject(id),
    }),
    day: (): Scope => ({ scope: 'day', what: 'day', id: day, budget: budgets?.day ?? {}, spent: spending.ofDay }),
  };
}

/** The limits of a budget, with what a person raised them by. */
export const linesOf = (read: Reader, { scope, what, id, budget, spent }: Scope): Line[] =>
  KINDS.flatMap((kind): Line[] => {
    const limit = budget[kind];
    if (limit === undefined) return [];
    const key = `${scope}:${id}:${kind}`;
    const { [kind]: used, reserved } = spent();
    return [{ key, what, kind, limit: limit * (1 + raisesOf(read, key)), spent: used, reserved: reserved[kind] }];
  });

/** Every limit that holds for a task: of itself, its request, its role, its project and the day. */
export function linesFor(parts: Parts, read: Reader, task: Task, spending: Spending): Line[] {
  const of = scopesIn(parts, read, task.projectId, spending);
  const request = read.requests.need(task.requestId);
  const scopes = [of.task(task), of.request(request), of.role(task.role), of.project(task.projectId), of.day()];
  return scopes.flatMap((scope) => linesOf(read, scope));
}

const KINDS = ['usd', 'tokens', 'time', 'attempts'] as const;

/** The first limit that what is known to have been spent has crossed. */
export function overrun(lines: readonly Line[]): Overrun | null {
  const line = lines.find(({ spent, limit, kind }) => spent > limit && kind !== 'attempts');
  if (!line) return null;
  const message = `the ${line.what} has cost ${inUnits(line.kind, line.spent)}, its limit is ${inUnits(line.kind, line.limit)}`;
  return { line, failure: { class: 'budget', message, resetAt: null } };
}

/** Why a task may not begin another attempt; null if it may. What running work may still take counts as spent. */
export function noRoom(lines: readonly Line[]): string | null {
  const line = lines.find(({ spent, reserved, limit }) => spent + reserved >= limit);
  if (!line) return null;
  const held = line.reserved > 0 ? ` and ${inUnits(line.kind, line.reserved)} are reserved for running work` : '';
  return `budget: ${inUnits(line.kind, line.spent)} of the ${line.what}'s ${inUnits(line.kind, line.limit)} are spent${held}`;
}

function inUnits(kind: keyof Budget, amount: number): string {
  switch (kind) {
    case 'usd':
      return `$${Number(amount.toFixed(4))}`;
    case 'tokens':
      return `${amount} tokens`;
    case 'time':
      return `${Math.round(amount / 1000)} s`;
    case 'attempts':
      return `${amount} attempts`;
    default:
      return kind satisfies never;
  }
}

/** A person may raise the limit by as much as it was; until then the task waits, with its work. */
export function askToRaise(parts: Parts, tx: Transaction, task: Task, { line, failure }: Overrun): Rerouted {
  const approval = propose(parts, tx, task, {
    type: 'budget',
    key: line.key,
    pattern: `raise the ${line.what}'s limit of ${inUnits(line.kind, line.limit)}`,
    cause: `${failure.message}. Raise it, so that "${task.title}" goes on?`,
  });
  return { notBefore: approval.expiresAt, cause: `${failure.message}; to raise it: gantry approve ${approval.id}` };
}

/** What is over its limit with `running` on top: what a turn has used so far. */
export function overBudget(parts: Parts, task: Task, running: Usage | null): Overrun | null {
  const { read } = parts.store;
  return overrun(
    linesFor(parts, read, task, spendingOf(parts, read, running === null ? null : { task, usage: running })),
  );
}

/** Why work without a task may not begin; null if it may. An attempt is of a task: no limit of attempts holds for it. */
export function noRoomWithoutTask(
  parts: Parts,
  { role, projectId }: { readonly role: string; readonly projectId: ProjectId | null },
): string | null {
  const { read } = parts.store;
  const of = scopesIn(parts, read, projectId, spendingOf(parts, read, null));
  const scopes = [of.role(role), ...(projectId === null ? [] : [of.project(projectId)]), of.day()];
  return noRoom(scopes.flatMap((scope) => linesOf(read, scope)).filter(({ kind }) => kind !== 'attempts'));
}

/** Why ready tasks may not begin. */
export function overBudgetNow(parts: Parts, ready: readonly Task[]): ReadonlyMap<TaskId, string> {
  const { read } = parts.store;
  const spending = spendingOf(parts, read, null);
  return new Map(
    ready.flatMap((task): [TaskId, string][] => {
      const cause = noRoom(linesFor(parts, read, task, spending));
      return cause === null ? [] : [[task.id, cause]];
    }),
  );
}
