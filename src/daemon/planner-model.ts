import { toAppError } from '../contract/errors.ts';
import type { FallbackReason } from '../contract/request.ts';
import { NO_USAGE } from '../contract/usage.ts';
import { requireModel } from '../engine/planning/model-filter.ts';
import { type PlanAsk, PlanProblem } from '../engine/planning/planner.ts';
import type { Settings } from '../engine/settings.ts';
import { askModel } from '../models/direct.ts';
import type { ModelFailure } from '../models/failure.ts';
import { plannerCredentials } from './credentials.ts';
import type { Environment } from './environment.ts';

const REASON_OF: Readonly<Record<ModelFailure['class'], FallbackReason>> = {
  auth: 'auth',
  no_key: 'no_key',
  quota: 'quota',
  rate: 'quota',
  timeout: 'timeout',
  unreachable: 'unreachable',
  empty: 'empty',
  model: 'unreachable',
};

/** How to ask the planner's own model; null if the configuration names none. The key never leaves this function's calls. */
export function plannerModel(
  settings: Pick<Settings, 'planner' | 'models'>,
  environment: Environment,
  projectPath: string,
): PlanAsk | null {
  const { planner } = settings;
  const { model, endpoint, temperature, timeout } = planner;
  if (model === undefined) return null;
  return async ({ system, user, signal }) => {
    try {
      requireModel(model, settings);
    } catch (error) {
      throw new PlanProblem('no_model', toAppError(error).message);
    }
    const { credential, headers } = plannerCredentials(planner, environment, projectPath);
    const answer = await askModel({
      model,
      system,
      prompt: user,
      limitMs: timeout,
      signal,
      credential,
      headers,
      ...(temperature !== undefined && { temperature }),
      ...(endpoint !== undefined && { endpoint }),
    });
    if (!answer.ok) throw new PlanProblem(REASON_OF[answer.class], answer.message);
    const { inputTokens = 0, outputTokens = 0 } = answer.usage ?? {};
    return { text: answer.text, usage: { ...NO_USAGE, inputTokens, outputTokens, costUsd: answer.costUsd } };
  };
}
