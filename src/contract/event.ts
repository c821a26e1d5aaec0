import { z } from 'zod';
import type { ApprovalId, TokenId } from './ids.ts';

/** What an outside program asks of a person with an event. `timeout` in seconds. */
export const HumanInTheLoop = z.object({
  question: z.string(),
  /** Where the program waits for the answer: a WebSocket server on this machine. Absent or empty: it will ask for it. */
  responseWebSocketUrl: z.string().optional(),
  type: z.enum(['question', 'permission', 'choice']),
  choices: z.array(z.string()).nullish(),
  timeout: z.number().nullish(),
  requiresResponse: z.boolean().nullish(),
  /** With `question`: the answer is the path of a file below this directory, which is in a project or a workspace. */
  directory: z.string().optional(),
});
export type HumanInTheLoop = z.infer<typeof HumanInTheLoop>;

/** What Gantry adds to an observed event. A sender's own key of this name is dropped. */
export type EventNotes = {
  /** The token that reported it; null without one. */
  readonly token: TokenId | null;
  /** Its transcript: the first `count` messages of chat `id`, kept once per session. */
  readonly chat?: { readonly id: number; readonly count: number };
  /** The question that it asks. */
  readonly approval?: ApprovalId;
};

/**
 * An event of an outside program in the words of the wire, as it is stored, replied and streamed: secrets masked,
 * keys that nobody knows kept. Its id is the fact's `seq`; `received_at` is the fact's `at`.
 */
export type ObservedEvent = {
  readonly source_app: string;
  readonly session_id: string;
  readonly hook_event_type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** ms, the sender's clock. Shown, never sorted by. */
  readonly timestamp: number;
  readonly model_name?: string;
  readonly summary?: string;
  readonly humanInTheLoop?: HumanInTheLoop;
  readonly gantry: EventNotes;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Passed on as it is: copying would lose keys such as `__proto__`, and time. */
export const ObservedEvent = z.custom<ObservedEvent>(
  (value) =>
    isObject(value) &&
    ['source_app', 'session_id', 'hook_event_type'].every((key) => typeof value[key] === 'string') &&
    typeof value.timestamp === 'number' &&
    isObject(value.payload) &&
    isObject(value.gantry),
  'an event of an outside program',
);

/** How far the answer to an event's question has come. */
export type HumanInTheLoopStatus = {
  readonly status: 'pending' | 'responded' | 'timeout' | 'error';
  readonly respondedAt?: number;
  readonly response?: Readonly<Record<string, unknown>>;
  /** Whether the program has the answer: it took the frame, came for it, or could not be reached. */
  readonly delivery?: 'pending' | 'delivered' | 'pulled' | 'failed';
  readonly reason?: string;
};

/** An event as the events API hands it out. */
export type HookEvent = Omit<ObservedEvent, 'gantry'> & {
  readonly id: number;
  readonly received_at: number;
  readonly chat?: readonly unknown[];
  /** So many messages of its transcript were left out of this copy. */
  readonly chatOmitted?: number;
  readonly humanInTheLoopStatus?: HumanInTheLoopStatus;
};
