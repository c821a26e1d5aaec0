import { type Deferred, deferred } from '../../base/wait.ts';
import type { BackendEvent, Prompt } from '../backend.ts';
import type { NativeEntry, NativeError, NativeMessage } from './dialect.ts';
import type { Verdict } from './outcome.ts';
import type { TurnView } from './view.ts';

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
