import type { Clock } from '../../base/clock.ts';
import { type Deferred, deferred } from '../../base/wait.ts';
import type { Failure } from '../../contract/failure.ts';
import type { BackendEvent, Prompt, PromptReceipt } from '../backend.ts';
import type { Dialect, NativeEntry, NativeError, NativeMessage, NativePrompt, NativeSession } from './dialect.ts';
import { brokenBy, INTERRUPTED, type Verdict } from './outcome.ts';
import type { TurnView } from './view.ts';

export type TurnOptions = {
  readonly rootId: string;
  readonly directory: string;
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly emit: (event: BackendEvent) => void;
  /** A prompt as it is sent, with model, agent and instructions. */
  readonly bodyOf: (prompt: Prompt) => Promise<NativePrompt>;
  /** A sub-agent's session was found in the history, with what is new in it. */
  readonly onChild: (child: NativeSession, entries: readonly NativeEntry[], isBusy: boolean) => void;
  readonly onOver: () => void;
  /** The session was made just now: no earlier daemon can have sent anything. */
  readonly isFresh: boolean;
};

export type TurnPrompt = {
  readonly prompt: Prompt;
  readonly messageId: string;
  /** The server's time when it was first told; null until it is known that the server has it. */
  storedAt: number | null;
  isStarted: boolean;
};

/** What the program works on at one time: a prompt, and those that were put in while it ran. */
export type Turn = {
  readonly prompts: TurnPrompt[];
  readonly over: Deferred<void>;
  /** What the program said of the session itself. */
  error: NativeError | null;
  /** An event has told a prompt of this turn: what is said of the session from now on is about it. */
  isSeen: boolean;
  isInterrupted: boolean;
  /** Events may have been missed: the history is read before anything is decided. */
  isGapped: boolean;
  /** Prompts on their way to the program. */
  sending: number;
  /** Looks in a row that found the program neither at work nor done. */
  quietLooks: number;
  resends: number;
};

export type TurnEnded = Extract<BackendEvent, { type: 'turn-ended' }>;

export const ACCEPTED: PromptReceipt = { type: 'accepted' };
export const refused = (failure: Failure): PromptReceipt => ({ type: 'refused', failure });

export const newTurn = (): Turn => ({
  prompts: [],
  over: deferred(),
  error: null,
  isSeen: false,
  isInterrupted: false,
  isGapped: false,
  sending: 0,
  quietLooks: 0,
  resends: 0,
});

/** After so many looks the program is not about to go on by itself: it is told again, or an interruption is taken as done. */
const LOOKS_UNTIL_RESEND = 12;
const LOOKS_UNTIL_INTERRUPTED = 3;
const MAX_RESENDS = 2;

/** What to do about a turn that is neither at work nor done: counts the look in it. */
export function afterQuietLook(
  turn: Turn,
): { readonly type: 'wait' | 'resend' } | { readonly type: 'over'; readonly verdict: Verdict } {
  turn.quietLooks += 1;
  if (turn.isInterrupted && turn.quietLooks >= LOOKS_UNTIL_INTERRUPTED) return { type: 'over', verdict: INTERRUPTED };
  if (turn.quietLooks < LOOKS_UNTIL_RESEND) return { type: 'wait' };
  if (turn.resends >= MAX_RESENDS) {
    return { type: 'over', verdict: brokenBy('OpenCode took the prompt and did not answer it') };
  }
  turn.resends += 1;
  turn.quietLooks = 0;
  return { type: 'resend' };
}

/** Whether the server has told that it has every prompt, and this message is an answer to one of them. */
export const isAnswerIn = ({ prompts }: Turn, view: TurnView, { id, parentId }: NativeMessage): boolean =>
  prompts.every(({ storedAt }) => storedAt !== null) &&
  (view.has(id) || prompts.some(({ messageId }) => messageId === parentId));

/** One end per prompt: one that got its whole answer before the next was put in is done, the others end as the turn does. */
export function endsOf(turn: Turn, view: TurnView, verdict: Verdict): TurnEnded[] {
  const answers = view.answers();
  return turn.prompts.map((record, index) => {
    const isNewest = index === turn.prompts.length - 1;
    const own = answers.findLast((message) => message.parentId === record.messageId);
    const isOwnEnd = !isNewest && own?.finish === 'stop' && own.error === null;
    const how: Verdict = isOwnEnd ? { outcome: 'done', failure: null } : verdict;
    const text = view.textOf((isOwnEnd ? own : answers.at(-1))?.id ?? '');
    const usage = view.usage((message) => ownerOf(turn.prompts, message) === record);
    return { type: 'turn-ended', promptId: record.prompt.id, ...how, text, usage };
  });
}

/** A message belongs to the prompt that it answers, one of a sub-agent or after a compaction to the newest before it. */
function ownerOf(prompts: readonly TurnPrompt[], message: NativeMessage): TurnPrompt | undefined {
  const named = prompts.find(({ messageId }) => messageId === message.parentId);
  return named ?? prompts.findLast(({ storedAt }) => (storedAt ?? 0) <= message.createdAt) ?? prompts[0];
}

/** Somebody's words, not what the engine puts in by itself. */
export const isPrompt = ({ message, parts }: NativeEntry): boolean =>
  message.role === 'user' && parts.some((part) => part.type === 'text' && !part.isSynthetic);
