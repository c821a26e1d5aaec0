import { z } from 'zod';
import { ApprovalSubject } from '../contract/approval.ts';
import { ChildState, TurnOutcome } from '../contract/fact.ts';
import type { Failure } from '../contract/failure.ts';
import { PromptId } from '../contract/ids.ts';
import { Usage } from '../contract/usage.ts';

const part = { partId: z.string(), text: z.string() };
const call = { callId: z.string(), tool: z.string(), title: z.string() };

/**
 * What happens in a live session, in the words of `BackendEvent`: for programs of ours that tell it over a wire.
 * @param failure how exactly the other side words a failure
 */
export const eventShapes = <F extends z.ZodType<Failure>>(failure: F) =>
  [
    z.object({ type: z.literal('turn-started'), promptId: PromptId }),
    z.object({
      type: z.literal('turn-ended'),
      promptId: PromptId,
      outcome: TurnOutcome,
      text: z.string(),
      failure: failure.nullable(),
      usage: Usage,
    }),
    z.object({ type: z.enum(['text-delta', 'reasoning-delta', 'text', 'reasoning']), ...part }),
    z.object({ type: z.literal('tool-started'), ...call, input: z.unknown() }),
    z.object({
      type: z.literal('tool-ended'),
      ...call,
      status: z.enum(['completed', 'error', 'interrupted']),
      output: z.string(),
    }),
    z.object({ type: z.literal('file-changed'), path: z.string() }),
    z.object({
      type: z.literal('todo'),
      items: z.array(z.object({ text: z.string(), status: z.string() })).readonly(),
    }),
    z.object({
      type: z.literal('child-started'),
      nativeId: z.string(),
      title: z.string(),
      parentId: z.string().optional(),
    }),
    z.object({ type: z.literal('child-state'), nativeId: z.string(), state: ChildState }),
    z.object({
      type: z.literal('asked'),
      nativeId: z.string(),
      subject: ApprovalSubject,
      isFromChild: z.boolean(),
      childId: z.string().optional(),
    }),
    z.object({ type: z.literal('withdrawn'), nativeId: z.string(), cause: z.string() }),
    z.object({ type: z.literal('usage'), usage: Usage }),
    z.object({ type: z.literal('compaction'), phase: z.enum(['started', 'ended']) }),
    z.object({ type: z.literal('retrying'), try: z.number(), message: z.string(), nextAt: z.number().nullable() }),
    z.object({ type: z.literal('heartbeat') }),
  ] as const;
