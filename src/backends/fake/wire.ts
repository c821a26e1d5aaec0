import { z } from 'zod';
import { Decision } from '../../contract/approval.ts';
import { FailureClass } from '../../contract/failure.ts';
import { PromptId } from '../../contract/ids.ts';
import { MessageMode } from '../../contract/message.ts';
import { TranscriptItem } from '../../contract/session.ts';
import { eventShapes } from '../event-shapes.ts';

/** The version that the agent tells. The driver takes every minor of its major. */
export const AGENT_VERSION = '1.0.0';

/** A failure as the agent tells it: its words may be missing. */
export const WireFailure = z.object({ class: FailureClass, message: z.string(), resetAt: z.number().nullable() });
export type WireFailure = z.infer<typeof WireFailure>;

/** What happens in a session, in the words of `BackendEvent`. */
export const AgentEvent = z.discriminatedUnion('type', eventShapes(WireFailure));
export type AgentEvent = z.infer<typeof AgentEvent>;

/** Driver to agent. `id` names a request; its reply has it as `to`. */
export const DriverFrame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('open'),
    directory: z.string(),
    title: z.string(),
    tools: z.record(z.string(), z.enum(['allow', 'ask', 'deny'])),
    model: z.string().nullable(),
    instructions: z.string().nullable(),
    /** Capabilities that this session does without. */
    off: z.array(z.string()),
    heartbeatMs: z.number().positive(),
  }),
  z.object({ type: z.literal('prompt'), id: z.number(), promptId: PromptId, text: z.string(), mode: MessageMode }),
  z.object({ type: z.literal('answer'), id: z.number(), nativeId: z.string(), decision: Decision }),
  z.object({ type: z.literal('interrupt'), id: z.number() }),
  z.object({ type: z.literal('transcript'), id: z.number() }),
  z.object({ type: z.literal('close') }),
]);
export type DriverFrame = z.infer<typeof DriverFrame>;

/** Agent to driver. */
export const AgentFrame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    version: z.string(),
    nativeId: z.string(),
    origin: z.discriminatedUnion('type', [
      z.object({ type: z.enum(['new', 'resumed', 'forked']) }),
      z.object({ type: z.literal('new-instead'), reason: z.string() }),
    ]),
    capabilities: z.array(z.string()),
  }),
  z.object({
    type: z.literal('reply'),
    to: z.number(),
    result: z.enum(['accepted', 'busy', 'refused', 'taken', 'gone', 'done']),
    failure: WireFailure.optional(),
  }),
  /** One item of the transcript that was asked for; the reply follows the last one. */
  z.object({ type: z.literal('item'), to: z.number(), item: TranscriptItem }),
  /** `seq` counts up from 1; `turn` is the first prompt of the turn that it belongs to. */
  z.object({ type: z.literal('event'), seq: z.number(), turn: PromptId.nullable(), event: AgentEvent }),
]);
export type AgentFrame = z.infer<typeof AgentFrame>;
