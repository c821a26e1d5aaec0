import { redact } from '../../base/redact.ts';
import type { FallbackReason, Plan, PlannedTask } from '../../contract/request.ts';
import type { Usage } from '../../contract/usage.ts';
import { NO_USAGE } from '../../contract/usage.ts';
import { filesNamed } from './plan-files.ts';
import type { ProjectContext } from './project-context.ts';

/** What holds for a task whose plan names no criterion. */
export const DEFAULT_CRITERION = { text: 'Request completed and verified', command: null } as const;

/** What a person can do about it, in one line. */
const HINTS: Readonly<Record<FallbackReason, string>> = {
  no_model: 'Set planner.model, or use a backend that has a model; `gantry doctor` checks both.',
  no_key: "Set the variable that holds the key of the planner's provider; `gantry doctor` names it.",
  auth: 'The login or key was refused: log in again or replace the key; `gantry doctor` says which one was used.',
  quota: 'Credit or rate limit is used up: wait, top up, or set another planner.model.',
  timeout: 'Raise planner.timeout, or set a faster planner.model.',
  unreachable: "Check the network and planner.endpoint; `gantry doctor` tries the planner's model.",
  empty: 'Try again, or set another planner.model.',
  no_json: 'Try again, or set a planner.model that follows instructions better.',
  not_a_plan: 'Try again, or set a planner.model that follows instructions better.',
  no_tasks: 'Try again, or put the request into more words.',
  invalid_graph: 'Try again, or split the request.',
  backend: 'See `gantry doctor` for the backend that plans, or set planner.model.',
};

const MAX_TITLE = 80;
const MAX_DETAIL = 500;

/** The first line of a text, short enough for a table. */
export function titleOf(text: string): string {
  const line =
    /\S[^\r\n]*/
      .exec(text)?.[0]
      .replaceAll(/[\s\p{Cc}]+/gu, ' ')
      .trim() ?? '';
  if (line.length <= MAX_TITLE) return line || 'Request';
  return `${line
    .slice(0, MAX_TITLE - 1)
    .toWellFormed()
    .replace(/\uFFFD$/, '')}…`;
}

/** One actionable task in place of a plan, with the cause and what can be done about it. */
export function fallbackPlan(
  request: string,
  context: ProjectContext,
  why: { readonly reason: FallbackReason; readonly detail: string; readonly usage?: Usage },
): Plan {
  const detail = redact(why.detail.slice(0, 10 * MAX_DETAIL))
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_DETAIL);
  const sentence = detail === '' || /[.!?…]$/.test(detail) ? detail : `${detail}.`;
  return {
    source: 'fallback',
    fallbackReason: why.reason,
    fallbackDetail: [sentence, HINTS[why.reason]].filter((part) => part !== '').join(' '),
    notices: [],
    tasks: [oneTask(`Implement user request: ${request}`, request, context, 'fallback')],
    reply: null,
    usage: why.usage ?? NO_USAGE,
  };
}

/** A task that is a whole request. */
export const oneTask = (
  description: string,
  request: string,
  context: ProjectContext,
  source: PlannedTask['source'],
): PlannedTask => ({
  id: 'T1',
  title: titleOf(request),
  description,
  files: filesNamed(request, context),
  successCriteria: [DEFAULT_CRITERION],
  budget: 'medium',
  dependsOn: [],
  role: null,
  source,
});
