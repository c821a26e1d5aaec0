import { AppError } from '../contract/errors.ts';
import type { FallbackReason, Plan } from '../contract/request.ts';
import type { Usage } from '../contract/usage.ts';
import { fallbackPlan } from './plan-fallback.ts';
import type { ProjectContext } from './project-context.ts';

export { singleTaskPlan } from './plan-fallback.ts';

export type PlanAsk = (input: {
  readonly system: string;
  readonly user: string;
  readonly signal: AbortSignal;
}) => Promise<{ text: string; usage: Usage }>;

/** Thrown by a PlanAsk: why there is no answer. */
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

export type PlanInput = {
  readonly request: string;
  readonly context: ProjectContext;
  readonly maxTasks: number;
  readonly roles: readonly { readonly name: string; readonly description: string }[];
  readonly openTasks: readonly string[];
  readonly extraInstructions?: string | null;
  /** null: no model is configured. */
  readonly ask: PlanAsk | null;
  readonly signal: AbortSignal;
};

export async function makePlan(input: PlanInput): Promise<Plan> {
  if (input.signal.aborted) throw new AppError('cancelled', 'planning was cancelled');
  return fallbackPlan(input.request, input.context, { reason: 'no_model', detail: 'No planner model is configured' });
}
