import type { Prompt } from '../backend.ts';
import type { Dialect, NativeEntry } from './dialect.ts';
import { beginOf, descendants, entriesFrom, entriesSince } from './history.ts';
import { INTERRUPTED, isStoppedByRefusal, type Verdict, verdictOf } from './outcome.ts';
import { isPrompt, type TurnEnded } from './turn.ts';
import { TurnView } from './view.ts';

/** A prompt that the program had already when we met it: its turn runs, was cut, or is over. */
export type StoredStanding =
  | { readonly type: 'runs' }
  /** To be told again: the program goes on where it was, and the model does not get the prompt twice. */
  | { readonly type: 'cut' }
  | { readonly type: 'over'; readonly end: TurnEnded };

/**
 * Where a stored prompt stands. One that is over must not be sent again: the program would answer anew one that failed,
 * and one that a newer prompt follows (opencode-ai 1.18.33).
 */
export async function standingOfStored(
  dialect: Dialect,
  at: { readonly rootId: string; readonly directory: string },
  prompt: Prompt,
  stored: NativeEntry,
): Promise<StoredStanding> {
  const { id: messageId, createdAt } = stored.message;
  const isBusy = (await dialect.busy(at.directory)).has(at.rootId);
  const [, ...after] = await entriesFrom(dialect, at.rootId, [messageId]);
  const next = after.findIndex(isPrompt);
  if (isBusy && next < 0) return { type: 'runs' };
  const own = after.filter(({ message }, index) => next < 0 || index < next || message.parentId === messageId);
  const last = own.findLast(({ message }) => message.role === 'assistant');
  const verdict = last ? verdictOf(last.message) : null;
  const end = async (how: Verdict): Promise<StoredStanding> => {
    const view = new TurnView(at.rootId, () => undefined);
    view.entries(own);
    const since = Math.min(createdAt, beginOf(own));
    const until = beginOf(after.filter((entry, index) => next >= 0 && index > next && !own.includes(entry)));
    for (const child of await descendants(dialect, at.rootId)) {
      const made = await entriesSince(dialect, child.id, ({ message }) => message.createdAt < since);
      view.entries(made.filter(({ message }) => message.createdAt < until));
    }
    const text = last ? view.textOf(last.message.id) : '';
    return {
      type: 'over',
      end: { type: 'turn-ended', promptId: prompt.id, ...how, text, usage: view.usage() },
    };
  };
  if (last && verdict && isFinal(verdict, last)) return await end(verdict);
  if (isBusy) return { type: 'runs' };
  if (next < 0) return { type: 'cut' };
  // Put in while it ran, the newer prompt has taken the turn over; else the turn was cut before it.
  const newest = after.findLast(({ message }) => message.role === 'assistant');
  const isTakenOver = verdict === null ? last === undefined : verdict.outcome === 'rejected';
  return await end((isTakenOver && newest && verdictOf(newest.message)) || INTERRUPTED);
}

/** An interruption is not: whoever sends the prompt again wants it to go on. After a crash between two steps neither is `tools`. */
const isFinal = ({ outcome }: Verdict, last: NativeEntry): boolean =>
  outcome !== 'interrupted' && (outcome !== 'rejected' || isStoppedByRefusal(last));
