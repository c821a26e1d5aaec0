import { z } from 'zod';
import { PROFILE_TOOLS } from '../backends/backend.ts';
import { eventShapes } from '../backends/event-shapes.ts';
import { Decision } from '../contract/approval.ts';
import { Failure } from '../contract/failure.ts';
import { AttemptId, BackendId, PromptId, SessionId } from '../contract/ids.ts';
import { MessageMode } from '../contract/message.ts';
import { NodeName } from '../contract/node.ts';
import { TranscriptItem } from '../contract/session.ts';

/** A node's first words on a connection. `plane`: whose link it holds, with the number of the last message received on it. */
export const Hello = z.object({
  protocol: z.number(),
  name: NodeName,
  version: z.string().max(100),
  system: z.string().max(100),
  instance: z.uuid(),
  backends: z.array(BackendId).max(100),
  link: z.object({ plane: z.string(), received: z.number().int() }).nullable(),
});
export type Hello = z.infer<typeof Hello>;

/** The answer; `received` null: nothing is known of an earlier link, all begins anew. */
export const Welcome = z.object({
  plane: z.string(),
  /** What the plane calls itself in what it hands to agents. */
  url: z.string(),
  leaseMs: z.number(),
  received: z.number().int().nullable(),
});
export type Welcome = z.infer<typeof Welcome>;

const ObjectId = z.string().regex(/^[0-9a-f]{40,64}$/);
export const State = z.object({ branch: z.string().nullable(), head: ObjectId.nullable(), tree: ObjectId });
/** A state and its commit; the bundle comes as the message's blob. */
export const Packed = z.object({ state: State, commit: ObjectId });
const Checkout = z.object({ key: z.string().regex(/^[0-9a-f]{16}$/) });
const At = z.object({ session: z.string() });

const McpServer = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('local'),
    command: z.array(z.string()).readonly(),
    environment: z.record(z.string(), z.string()),
  }),
  z.object({ type: z.literal('remote'), url: z.string(), headers: z.record(z.string(), z.string()) }),
]);

/** `OpenSpec` without what only its machine has. */
export const RemoteSpec = z.object({
  sessionId: SessionId,
  attemptId: AttemptId.nullable(),
  title: z.string(),
  project: z.object({ id: z.string(), isTrusted: z.boolean() }),
  profile: z.object({ id: z.string(), tools: z.record(z.enum(PROFILE_TOOLS), z.enum(['allow', 'ask', 'deny'])) }),
  model: z.string().nullable(),
  env: z.record(z.string(), z.string()),
  mcp: z.record(z.string(), McpServer),
  instructions: z.string().nullable(),
  from: z.discriminatedUnion('type', [
    z.object({ type: z.literal('new') }),
    z.object({ type: z.literal('resume'), nativeId: z.string() }),
    z.object({ type: z.literal('fork'), nativeId: z.string() }),
  ]),
  limitMs: z.number(),
});

const Prompt = z.object({ id: PromptId, text: z.string(), native: z.record(z.string(), z.string()) });
const Receipt = z.discriminatedUnion('type', [
  z.object({ type: z.literal('accepted') }),
  z.object({ type: z.literal('refused'), failure: Failure }),
]);

/** What a control plane asks of a node: what goes, and what comes back. */
export const CALLS = {
  probe: {
    input: z.object({ backend: BackendId }),
    output: z.object({
      isInstalled: z.boolean(),
      version: z.string().nullable(),
      executable: z.string().nullable(),
      problem: z.string().nullable(),
      notices: z.array(z.string()),
    }),
  },
  /** What the node has of a checkout; `synced`: what both sides held last. */
  look: {
    input: Checkout,
    output: z.object({
      directory: z.string().startsWith('/').max(4_096),
      have: z.array(ObjectId),
      now: State.nullable(),
      synced: State.nullable(),
    }),
  },
  /** The node's state of a checkout, as the answer's blob. */
  pull: { input: Checkout.extend({ have: z.array(ObjectId) }), output: Packed },
  /** The node's checkout becomes this; with a blob. */
  push: {
    input: Checkout.extend({
      pack: Packed,
      identity: z.object({ name: z.string().nullable(), email: z.string().nullable() }),
    }),
    output: z.null(),
  },
  /** Both sides hold this now. */
  synced: { input: Checkout.extend({ state: State }), output: z.null() },
  open: {
    input: Checkout.extend({ backend: BackendId, spec: RemoteSpec }),
    output: z.object({
      session: z.string(),
      nativeId: z.string(),
      origin: z.union([
        z.object({ type: z.enum(['new', 'resumed', 'forked']) }),
        z.object({ type: z.literal('new-instead'), reason: z.string() }),
      ]),
    }),
  },
  prompt: { input: At.extend({ prompt: Prompt, mode: MessageMode }), output: Receipt },
  interrupt: { input: At, output: z.null() },
  answer: { input: At.extend({ nativeId: z.string(), decision: Decision }), output: z.enum(['taken', 'gone']) },
  transcript: { input: At, output: z.array(TranscriptItem) },
  close: {
    input: At.extend({ graceMs: z.number() }),
    output: z.object({
      exitCode: z.number().nullable(),
      signal: z.string().nullable(),
      survivors: z.array(z.number()),
    }),
  },
} as const;
export type CallName = keyof typeof CALLS;
export type Input<N extends CallName> = z.infer<(typeof CALLS)[N]['input']>;
export type Output<N extends CallName> = z.infer<(typeof CALLS)[N]['output']>;

/** `BackendEvent`, as it comes from a node. */
export const RemoteEvent = z.discriminatedUnion('type', [
  ...eventShapes(Failure),
  z.object({ type: z.literal('notice'), level: z.enum(['info', 'warning', 'error']), text: z.string() }),
  z.object({
    type: z.literal('ended'),
    reason: z.discriminatedUnion('type', [
      z.object({ type: z.literal('closed') }),
      z.object({
        type: z.literal('died'),
        failure: Failure,
        exitCode: z.number().nullable(),
        signal: z.string().nullable(),
      }),
    ]),
  }),
]);

/** What goes over a link. `blob` names what came before it in chunks. */
export const Body = z.discriminatedUnion('type', [
  z.object({ type: z.literal('chunk'), blob: z.uuid(), data: z.string().min(1) }),
  z.object({
    type: z.literal('call'),
    id: z.number().int(),
    name: z.enum(Object.keys(CALLS) as [CallName, ...CallName[]]),
    input: z.unknown(),
    blob: z.string().nullable(),
  }),
  z.object({ type: z.literal('cancel'), id: z.number().int() }),
  z.object({ type: z.literal('result'), id: z.number().int(), output: z.unknown(), blob: z.string().nullable() }),
  z.object({ type: z.literal('error'), id: z.number().int(), code: z.string(), message: z.string() }),
  z.object({
    type: z.literal('event'),
    session: z.string(),
    event: RemoteEvent,
    pack: Packed.nullable(),
    /** Why what the checkout holds does not come along, in words. */
    fault: z.string().nullable(),
    blob: z.string().nullable(),
  }),
]);
export type Body = z.infer<typeof Body>;
