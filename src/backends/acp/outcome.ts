import type { RequestError, StopReason, Usage as WireUsage } from '@agentclientprotocol/sdk/unstable';
import type { TurnOutcome } from '../../contract/fact.ts';
import type { Failure } from '../../contract/failure.ts';
import type { Usage } from '../../contract/usage.ts';

export type Verdict = { readonly outcome: TurnOutcome; readonly failure: Failure | null };

/** Codes of ACP 1: authentication is required; the request was cancelled. */
const AUTH_REQUIRED = -32000;
const CANCELLED = -32800;

export function verdictOf(reason: StopReason): Verdict {
  switch (reason) {
    case 'end_turn':
      return { outcome: 'done', failure: null };
    case 'max_tokens':
      return { outcome: 'length', failure: null };
    case 'cancelled':
      return { outcome: 'interrupted', failure: null };
    case 'max_turn_requests':
      return failed('model', 'the agent has made as many requests in one turn as it may');
    case 'refusal':
      return failed('model', 'the model refused to go on');
    default:
      return reason satisfies never;
  }
}

/** ACP has no codes for quotas, limits or the network: all that is no login is the model's failure. */
export function verdictOfError({ code, message }: RequestError): Verdict {
  if (code === CANCELLED) return { outcome: 'interrupted', failure: null };
  return failed(code === AUTH_REQUIRED ? 'auth' : 'model', message || `the agent failed with code ${code}`);
}

/** As the agent tells it; what it does not tell is 0 tokens, and an unknown cost. */
export const usageOf = (usage: WireUsage | null | undefined, costUsd: number | null): Usage => ({
  inputTokens: usage?.inputTokens ?? 0,
  outputTokens: usage?.outputTokens ?? 0,
  reasoningTokens: usage?.thoughtTokens ?? 0,
  cacheReadTokens: usage?.cachedReadTokens ?? 0,
  cacheWriteTokens: usage?.cachedWriteTokens ?? 0,
  costUsd,
});

const failed = (kind: Failure['class'], message: string): Verdict => ({
  outcome: 'failed',
  failure: { class: kind, message, resetAt: null },
});
