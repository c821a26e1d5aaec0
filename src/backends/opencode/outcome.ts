import type { TurnOutcome } from '../../contract/fact.ts';
import type { Failure } from '../../contract/failure.ts';
import type { NativeEntry, NativeError, NativeMessage } from './dialect.ts';

export type Verdict = { readonly outcome: TurnOutcome; readonly failure: Failure | null };

/** How an assistant message ended; null while it is open. */
export function verdictOf(message: NativeMessage): Verdict | null {
  if (message.error) return verdictOfError(message.error);
  if (message.completedAt === null) return null;
  switch (message.finish) {
    case 'stop':
      return { outcome: 'done', failure: null };
    case 'length':
      return { outcome: 'length', failure: null };
    case 'tools':
      return { outcome: 'rejected', failure: null };
    case 'other':
      return failedBy('model', 'the model ended its answer for a reason that it did not tell');
    // Complete without a finish and without an error: an abort while the model was waited for.
    case null:
      return INTERRUPTED;
    default:
      return message.finish satisfies never;
  }
}

export const INTERRUPTED: Verdict = { outcome: 'interrupted', failure: null };

export const verdictOfError = (error: NativeError): Verdict =>
  error.type === 'aborted' ? INTERRUPTED : { outcome: 'failed', failure: error.failure };

/** The program did not keep to what we know of it. */
export const brokenBy = (message: string): Verdict => failedBy('protocol', message);

const failedBy = (kind: Failure['class'], message: string): Verdict => ({
  outcome: 'failed',
  failure: { class: kind, message, resetAt: null },
});

/** Where a turn stands when the program is not at work on it. */
export type Standing =
  | { readonly type: 'over'; readonly verdict: Verdict }
  /** An answer was begun and is not complete: it soon will be, or never after a crash. */
  | { readonly type: 'unfinished' }
  /** The newest prompt has no answer: it soon will have, or it never ran. */
  | { readonly type: 'unanswered' };

/**
 * The outcome rule: decides from the session's newest message, never from an idle event, which also comes for errors,
 * twice, and before the message is complete.
 */
export function standingOf(turn: {
  readonly last: NativeEntry | null;
  /** Whether the newest message is of this turn, and the server has told that it has all prompts. */
  readonly isOfTurn: boolean;
  /** What the program said of the session itself: the only word when no answer was stored. */
  readonly error: NativeError | null;
}): Standing {
  const { last, isOfTurn, error } = turn;
  if (last?.message.role !== 'assistant' || !isOfTurn) {
    return error ? { type: 'over', verdict: verdictOfError(error) } : { type: 'unanswered' };
  }
  const verdict = verdictOf(last.message);
  return verdict ? { type: 'over', verdict } : { type: 'unfinished' };
}

/** A refused question ended the turn; after a crash between two steps the finish looks the same. */
export const isStoppedByRefusal = ({ message, parts }: NativeEntry): boolean =>
  message.finish === 'tools' &&
  parts.some((part) => part.type === 'tool' && part.tool === 'question' && part.status === 'error');
