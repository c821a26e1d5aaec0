import { deferred } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { FallbackReason, Plan, PlannedTask } from '../../contract/request.ts';
import { addUsage, NO_USAGE, type Usage } from '../../contract/usage.ts';
import { checkPlan, type Draft } from './plan-check.ts';
import { fallbackPlan, oneTask } from './plan-fallback.ts';
import { inDependencyOrder, mergeRest } from './plan-graph.ts';
import { type Answer, readAnswer } from './plan-read.ts';
import { type PromptInput, type Repair, systemPrompt, userPrompt } from './planner-prompt.ts';
import type { ProjectContext } from './project-context.ts';

/** Asks a model once. @throws PlanProblem if there is no answer; anything else counts as reason `backend`. */
export type PlanAsk = (input: {
  readonly system: string;
  readonly user: string;
  readonly signal: AbortSignal;
}) => Promise<{ text: string; usage: Usage }>;

/** Thrown by a `PlanAsk`: why there is no answer. Never leaves `makePlan`. */
export class PlanProblem extends Error {
  readonly reason: FallbackReason;
  readonly detail: string;

  constructor(reason: FallbackReason, detail: string) {
    super(`${reason}: ${detail}`);
    this.name = 'PlanProblem';
    this.reason = reason;
    this.detail = detail;
  }
}

export type PlanInput = PromptInput & {
  /** null: no model is configured. */
  readonly ask: PlanAsk | null;
  readonly signal: AbortSignal;
};

const MOST_TASKS = 20;

/**
 * Plans a request: one call of the model, a second one if the tasks do not fit together, and checks in between. Whatever
 * the model does there is a valid plan: its tasks, its reply, or one task with `source` fallback and the cause.
 * @throws AppError `cancelled` when the signal aborts.
 */
export async function makePlan(input: PlanInput): Promise<Plan> {
  const maxTasks = Math.min(Math.max(1, Math.trunc(input.maxTasks) || 1), MOST_TASKS);
  const bounded = { ...input, maxTasks };
  const calls = callsOf(bounded);
  const outcome = await plan(calls, bounded);
  const usage = calls.usage();
  if ('reason' in outcome) return fallbackPlan(input.request, input.context, { ...outcome, usage });
  return { source: 'model', fallbackReason: null, fallbackDetail: null, ...outcome, usage };
}

/** One task that is the request itself, because the user asked for that. */
export function singleTaskPlan(request: string, context: ProjectContext): Plan {
  return {
    source: 'caller',
    fallbackReason: null,
    fallbackDetail: null,
    notices: ['one task, as asked: no planner was called'],
    tasks: [oneTask(request, request, context, 'caller')],
    reply: null,
    usage: NO_USAGE,
  };
}

type Failed = { readonly reason: FallbackReason; readonly detail: string };
type Made = Pick<Plan, 'tasks' | 'reply' | 'notices'>;

async function plan(calls: Calls, input: PlanInput): Promise<Made | Failed> {
  const first = await calls.ask(null);
  if ('reason' in first) return first;
  const answer = readAnswer(first.text);
  if (answer.type === 'unreadable') return answer;
  if (answer.type === 'reply') return { tasks: [], reply: answer.text, notices: [] };
  const draft = check(answer, input);
  if (draft.tasks.length === 0) return { reason: 'no_tasks', detail: draft.notices.join('; ') };
  if (draft.findings.length === 0) return madeOf(draft);
  const mended = await repaired(calls, input, { answer: first.text, findings: draft.findings });
  if (mended?.findings.length === 0) {
    const notice = `a second call mended the plan: ${draft.findings.join('; ')}`;
    return madeOf({ ...mended, notices: [notice, ...mended.notices] });
  }
  return lastResort(mended ? [mended, draft] : [draft], input.maxTasks);
}

const check = (answer: Extract<Answer, { type: 'tasks' }>, input: PlanInput): Draft =>
  checkPlan(answer.entries, {
    maxTasks: input.maxTasks,
    roles: input.roles.map((role) => role.name),
    roots: input.context.roots,
  });

/** The plan of a second call; null if it gave none. */
async function repaired(calls: Calls, input: PlanInput, repair: Repair): Promise<Draft | null> {
  const second = await calls.ask(repair);
  if ('reason' in second) return null;
  const answer = readAnswer(second.text);
  const draft = answer.type === 'tasks' ? check(answer, input) : null;
  return draft && draft.tasks.length > 0 ? draft : null;
}

/** What can be saved without the model: the first of the drafts that has no cycle, cut to size. */
function lastResort(drafts: readonly Draft[], maxTasks: number): Made | Failed {
  for (const { tasks, findings, notices } of drafts) {
    const ordered = inDependencyOrder(tasks);
    if (!ordered) continue;
    const kept = ordered.length > maxTasks ? mergeRest(ordered, maxTasks) : tasks;
    return madeOf({ tasks: kept, notices: [...findings, ...notices] });
  }
  return { reason: 'invalid_graph', detail: drafts[0]?.findings.join('; ') ?? '' };
}

const madeOf = ({ tasks, notices }: { tasks: readonly PlannedTask[]; notices: readonly string[] }): Made => ({
  tasks: [...tasks],
  reply: null,
  notices: [...notices],
});

type Calls = {
  readonly ask: (repair: Repair | null) => Promise<{ readonly text: string } | Failed>;
  readonly usage: () => Usage;
};

/** The calls of one planning, and what they used together. */
function callsOf(input: PlanInput): Calls {
  const { ask, signal } = input;
  let used = NO_USAGE;
  const answer = async (repair: Repair | null, from: PlanAsk): Promise<{ readonly text: string } | Failed> => {
    try {
      const { text, usage } = await from({ system: systemPrompt(input), user: userPrompt(input, repair), signal });
      used = addUsage(used, usage);
      return { text };
    } catch (error) {
      if (error instanceof PlanProblem) return { reason: error.reason, detail: error.detail };
      return { reason: 'backend', detail: error instanceof Error ? error.message : String(error) };
    }
  };
  return {
    usage: () => used,
    ask: async (repair) => {
      if (!ask) return { reason: 'no_model', detail: 'No model is configured for planning' };
      const stopped = deferred<never>();
      const cancelled = new AppError('cancelled', 'planning was cancelled');
      const onAbort = (): void => stopped.reject(cancelled);
      if (signal.aborted) throw cancelled;
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const result = await Promise.race([stopped.promise, answer(repair, ask)]);
        if (signal.aborted) throw cancelled;
        return result;
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}
