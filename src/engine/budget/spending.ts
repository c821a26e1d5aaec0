import type { Attempt } from '../../contract/attempt.ts';
import type { Budget } from '../../contract/config.ts';
import type { ProjectId } from '../../contract/ids.ts';
import type { Request } from '../../contract/request.ts';
import { isTaskActive, type Task } from '../../contract/task.ts';
import { addUsage, NO_USAGE, type Usage } from '../../contract/usage.ts';
import type { Reader } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import { settingsOrUsual } from '../settings.ts';
import { spentToday } from './spent-today.ts';

/** What a role, a project or a day pays for. */
type Work = { readonly role: string; readonly projectId: ProjectId | null };

type Amounts = Readonly<Record<keyof Budget, number>>;
export type Spent = Amounts & { readonly reserved: Amounts };

/** What was spent, by whom; each answer is worked out when it is asked for. */
export type Spending = {
  readonly ofTask: (task: Task) => Spent;
  readonly ofRequest: (request: Request) => Spent;
  readonly ofRole: (role: string) => Spent;
  readonly ofProject: (id: ProjectId) => Spent;
  readonly ofDay: () => Spent;
};

const NOTHING: Amounts = { usd: 0, tokens: 0, time: 0, attempts: 0 };
const DAY_MS = 86_400_000;

/** @param running what the turn of a task has used so far and no attempt holds yet */
export function spendingOf(
  parts: Parts,
  read: Reader,
  running: { readonly task: Task; readonly usage: Usage } | null,
): Spending {
  const now = parts.clock.now();
  const today = now - (now % DAY_MS);
  const extra = (isMeant: (task: Task) => boolean): Amounts =>
    running && isMeant(running.task) ? { ...NOTHING, ...ofUsage(running.usage) } : NOTHING;
  const sum = (attempts: readonly Attempt[], isMeant: (task: Task) => boolean): Spent => ({
    ...[...attempts.map((a) => ofAttempt(a, now)), extra(isMeant)].reduce(add, NOTHING),
    reserved: reservedFor(parts, read, isMeant),
  });
  const todays = (isMeant: (work: Work) => boolean): Spent => {
    const attempts = attemptsSince(read, today).filter((a) => isMeant(read.tasks.need(a.taskId)));
    const { reserved, ...spent } = sum(attempts, isMeant);
    const untasked = spentToday(read, now).filter(isMeant);
    return { ...untasked.map(({ usage }) => ({ ...NOTHING, ...ofUsage(usage) })).reduce(add, spent), reserved };
  };
  const known = new Map<string, Spent>();
  const once = (key: string, of: () => Spent): Spent => {
    const spent = known.get(key) ?? of();
    known.set(key, spent);
    return spent;
  };
  return {
    ofTask: (task) => ({ ...sum(read.attempts.list({ taskId: task.id }), (t) => t.id === task.id), reserved: NOTHING }),
    ofRequest: (request) => {
      const spent = sum(read.attempts.list({ requestId: request.id }), (t) => t.requestId === request.id);
      const plan = request.plan ? { ...NOTHING, ...ofUsage(request.plan.usage) } : NOTHING;
      return { ...add(spent, plan), reserved: spent.reserved };
    },
    ofRole: (role) => once(`role ${role}`, () => todays((work) => work.role === role)),
    ofProject: (id) => once(id, () => todays((work) => work.projectId === id)),
    ofDay: () => once('day', () => todays(() => true)),
  };
}

/** Of its plan and all its tasks. */
export const usageOfRequest = (read: Pick<Reader, 'tasks'>, { id, plan }: Request): Usage =>
  read.tasks.list({ requestId: id }).reduce((sum, task) => addUsage(sum, task.usage), plan?.usage ?? NO_USAGE);

/** A running task that has a limit of its own may still take what is left of it. */
function reservedFor(parts: Parts, read: Reader, isMeant: (task: Task) => boolean): Amounts {
  const active = read.tasks.list({ state: ['assigned', 'working', 'verifying'] });
  return active
    .filter((t) => isTaskActive(t.state) && isMeant(t))
    .map((task): Amounts => {
      const { limits, budgets, roles } = settingsOrUsual(parts.settingsFor, read.projects.need(task.projectId).path);
      const usd = budgets?.task?.usd ?? roles[task.role]?.taskUsd ?? limits.taskUsd;
      const tokens = budgets?.task?.tokens;
      return {
        ...NOTHING,
        usd: usd == null ? 0 : Math.max(0, usd - (task.usage.costUsd ?? 0)),
        tokens: tokens === undefined ? 0 : Math.max(0, tokens - tokensOf(task.usage)),
      };
    })
    .reduce(add, NOTHING);
}

/** An attempt counts on the day on which it began. */
function attemptsSince(read: Reader, since: number): Attempt[] {
  const found: Attempt[] = [];
  let after: string | undefined;
  for (;;) {
    const page = read.attempts.list({ order: 'desc', limit: 200, ...(after !== undefined && { after }) });
    found.push(...page.filter(({ createdAt }) => createdAt >= since));
    const last = page.at(-1);
    if (page.length < 200 || !last || last.createdAt < since) return found;
    after = last.id;
  }
}

function ofAttempt({ usage, createdAt, endedAt }: Attempt, now: number): Amounts {
  return { ...ofUsage(usage), time: (endedAt ?? now) - createdAt, attempts: 1 };
}

const ofUsage = (usage: Usage): Pick<Amounts, 'usd' | 'tokens'> => ({
  usd: usage.costUsd ?? 0,
  tokens: tokensOf(usage),
});

const tokensOf = (u: Usage): number =>
  u.inputTokens + u.outputTokens + u.reasoningTokens + u.cacheReadTokens + u.cacheWriteTokens;

const add = (a: Amounts, b: Amounts): Amounts => ({
  usd: a.usd + b.usd,
  tokens: a.tokens + b.tokens,
  time: a.time + b.time,
  attempts: a.attempts + b.attempts,
});
