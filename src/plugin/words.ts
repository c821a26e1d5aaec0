import type { Request } from '../contract/request.ts';
import type { Task } from '../contract/task.ts';

/** Characters; a token is three or more of them, and a system text may have 500 tokens. */
const MAX_CONTEXT = 1_500;
const MAX_TITLE = 80;

/** A request in words, for a model and for a person. */
export function requestWords(request: Request, tasks: readonly Task[]): string {
  const { id, state, cause, plan, result, failure } = request;
  const head = `Request ${id}: ${state}${cause ? ` (${cause})` : ''}`;
  if (plan?.reply) return `${head}. It was no work; the planner answered: ${plan.reply}`;
  const made = new Map(tasks.map((task) => [task.label, task]));
  const lines = (plan?.tasks ?? []).map(({ id: label, title, dependsOn }) => {
    const task = made.get(label);
    const after = dependsOn.length > 0 ? ` (after ${dependsOn.join(', ')})` : '';
    return `- ${label} ${title.slice(0, MAX_TITLE)}${after}${task ? `: ${task.state}` : ''}`;
  });
  const fallback = plan?.fallbackReason
    ? [`The plan is a fallback: ${plan.fallbackDetail ?? plan.fallbackReason}`]
    : [];
  const branch = result?.branch ? [`The work is on the branch ${result.branch}. ${result.summary}`] : [];
  const failed = failure ? [`It failed: ${failure.message}`] : [];
  return [head, ...lines, ...fallback, ...branch, ...failed].join('\n');
}

/**
 * What a session's model is told at each of its requests, short and without times, so that a provider's cache of the
 * prompt holds until something happens.
 */
export function contextWords(
  requests: readonly { readonly request: Request; readonly tasks: readonly Task[] }[],
): string {
  const told = [INTRO, ...requests.map(({ request, tasks }) => requestWords(request, tasks))].join('\n');
  const room = MAX_CONTEXT - HINT.length - 2;
  return `${told.length > room ? `${told.slice(0, room)}…` : told}\n${HINT}`;
}

const INTRO = 'Gantry plans and carries out requests of this conversation with agents of its own, apart from you:';
const HINT = 'More by the tools gantry_status, gantry_wait, gantry_run, gantry_cancel and gantry_send.';

/** Beside a person's message in mode execute. */
export const HANDED_OVER =
  'This message was also given to Gantry, which plans it and has it carried out by agents of its own in git worktrees. ' +
  'Do not change files for it yourself. Use gantry_status or gantry_wait to see how it goes and gantry_cancel to stop it, ' +
  'and report the result. If Gantry finds that it is no work, answer it yourself.';
