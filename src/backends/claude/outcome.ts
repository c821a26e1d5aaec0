import type { TurnOutcome } from '../../contract/fact.ts';
import type { Failure, FailureClass } from '../../contract/failure.ts';
import type { NativeResult } from './decode.ts';

export type Verdict = { readonly outcome: TurnOutcome; readonly failure: Failure | null };

export const DONE: Verdict = { outcome: 'done', failure: null };
export const INTERRUPTED: Verdict = { outcome: 'interrupted', failure: null };

const CLASS_OF_STATUS: Readonly<Record<number, FailureClass>> = {
  401: 'auth',
  402: 'quota',
  403: 'auth',
  408: 'network',
  413: 'context-full',
  429: 'rate',
};
const CLASS_OF_REASON: Readonly<Record<string, FailureClass>> = {
  prompt_too_long: 'context-full',
  max_turns: 'budget',
  budget_exhausted: 'budget',
};

/** A limit of the account that the program has told of. */
export type Limit = { readonly resetAt: number | null };

/**
 * How a turn ended. An error of the API is called a success by its subtype: `is_error` and the reason decide.
 * `limit`: the account's own limit, if the program has said that it is reached.
 */
export function verdictOf(result: NativeResult, limit: Limit | null): Verdict {
  const { terminalReason: reason } = result;
  if (reason === 'aborted_streaming' || reason === 'aborted_tools') return INTERRUPTED;
  if (result.isError) {
    const { apiStatus: status, apiErrorType: type } = result;
    const kind = (reason === null ? undefined : CLASS_OF_REASON[reason]) ?? classOf(reason, status, type);
    return failed(kind, wordsOf(result), limit);
  }
  if (reason === 'hook_stopped') return { outcome: 'rejected', failure: null };
  if (reason === 'tool_deferred')
    return failed('protocol', 'a hook has put the call off, and nobody takes it up', null);
  if (result.stopReason === 'refusal') return failed('model', result.text || 'the model refused to go on', null);
  return result.stopReason === 'max_tokens' ? { outcome: 'length', failure: null } : DONE;
}

/** The verdict on an error of the API in a transcript. */
export const verdictOfApiError = (status: number | null, type: string | null, words: string): Verdict =>
  failed(classOf('api_error', status, type), words, null);

function classOf(reason: string | null, status: number | null, type: string | null): FailureClass {
  if (type === 'billing_error') return 'quota';
  if (status !== null) return CLASS_OF_STATUS[status] ?? 'model';
  return reason === 'api_error' ? 'network' : 'protocol';
}

function failed(kind: FailureClass, message: string, limit: Limit | null): Verdict {
  if (kind !== 'rate' || limit === null) return { outcome: 'failed', failure: { class: kind, message, resetAt: null } };
  return { outcome: 'failed', failure: { class: 'quota', message, resetAt: limit.resetAt } };
}

function wordsOf({ text, errors, subtype, apiStatus }: NativeResult): string {
  const words = text || errors.join('; ') || `Claude Code failed without saying why (${subtype})`;
  return apiStatus === null ? words : `${words.replace(/^API Error: \d+ /, '')} (status ${apiStatus})`;
}
