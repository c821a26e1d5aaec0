import { z } from 'zod';
import type { Question } from '../../../contract/approval.ts';
import { NO_USAGE, usageOf } from '../../../contract/usage.ts';
import type {
  NativeAsk,
  NativeEntry,
  NativeEvent,
  NativeMessage,
  NativePart,
  NativeSession,
  NativeTodo,
} from '../dialect.ts';
import { errorOf } from './failure.ts';
import {
  SESSION_METADATA_KEY,
  WireEntry,
  WireError,
  WireFrame,
  WireMessage,
  WireOtherPart,
  WirePatchPart,
  WirePermission,
  WireQuestion,
  WireSession,
  WireStatus,
  WireTextPart,
  WireTodos,
  WireToolPart,
} from './wire.ts';

/** Every durable event comes a second time as a `sync` copy, which need not even be parsed. */
const SYNC_COPY = '"payload":{"type":"sync"';
const HEAD_CHARS = 1_000;

/** One frame's data of `GET /global/event`; null for what is of no use. @throws SyntaxError, ZodError */
export function decodeFrame(frame: string): NativeEvent | null {
  if (frame.slice(0, HEAD_CHARS).includes(SYNC_COPY)) return null;
  const { payload } = WireFrame.parse(JSON.parse(frame));
  return DECODERS[payload.type]?.(payload.properties) ?? null;
}

type Properties = Readonly<Record<string, unknown>>;
const ofSession = z.object({ sessionID: z.string() });
const sessionIn = (properties: Properties): string => ofSession.parse(properties).sessionID;

const alive = (): NativeEvent => ({ type: 'alive' });
const session = (properties: Properties): NativeEvent => ({ type: 'session', session: sessionOf(properties.info) });
const answered = (properties: Properties): NativeEvent => ({
  type: 'answered',
  sessionId: sessionIn(properties),
  askId: z.string().parse(properties.requestID),
});

const DECODERS: Readonly<Record<string, (properties: Properties) => NativeEvent | null>> = {
  'server.connected': alive,
  'server.heartbeat': alive,
  'session.created': session,
  'session.updated': session,
  'session.deleted': (p) => ({ type: 'session-deleted', sessionId: sessionIn(p) }),
  'session.idle': (p) => ({ type: 'idle', sessionId: sessionIn(p) }),
  'session.compacted': (p) => ({ type: 'compacted', sessionId: sessionIn(p) }),
  'session.status': statusEvent,
  'session.error': errorEvent,
  'message.updated': (p) => {
    const message = messageOf(p.info);
    return { type: 'message', sessionId: message.sessionId, message };
  },
  'message.part.updated': (p) => {
    const part = partOf(p.part);
    return { type: 'part', sessionId: part.sessionId, part };
  },
  'message.part.delta': (p) => {
    if (p.field !== 'text') return null;
    const delta = z.object({ messageID: z.string(), partID: z.string(), delta: z.string() }).parse(p);
    return {
      type: 'delta',
      sessionId: sessionIn(p),
      messageId: delta.messageID,
      partId: delta.partID,
      text: delta.delta,
    };
  },
  'permission.asked': (p) => askedEvent(permissionAskOf(p)),
  'question.asked': (p) => askedEvent(questionAskOf(p)),
  'permission.replied': answered,
  'question.replied': answered,
  'question.rejected': answered,
  'todo.updated': (p) => ({ type: 'todo', sessionId: sessionIn(p), items: todosOf(p.todos) }),
};

const askedEvent = (ask: NativeAsk): NativeEvent => ({ type: 'asked', sessionId: ask.sessionId, ask });

function statusEvent(properties: Properties): NativeEvent | null {
  const sessionId = sessionIn(properties);
  const status = WireStatus.parse(properties.status);
  if (status.type === 'busy' || status.type === 'idle') return { type: status.type, sessionId };
  if (status.type !== 'retry') return null;
  const { attempt, message, next } = status;
  return { type: 'retry', sessionId, try: attempt ?? 1, message: message ?? '', nextAt: next ?? null };
}

/** Both its fields are optional; without a session it is about none of ours. */
function errorEvent(properties: Properties): NativeEvent | null {
  const about = ofSession.safeParse(properties).data;
  const error = WireError.safeParse(properties.error).data ?? { name: 'UnknownError', data: {} };
  return about ? { type: 'error', sessionId: about.sessionID, error: errorOf(error) } : null;
}

export function sessionOf(value: unknown): NativeSession {
  const wire = WireSession.parse(value);
  const ours = wire.metadata?.[SESSION_METADATA_KEY];
  return {
    id: wire.id,
    parentId: wire.parentID ?? null,
    directory: wire.directory,
    title: wire.title,
    gantrySession: typeof ours === 'string' ? ours : null,
    createdAt: wire.time.created,
  };
}

const FINISH: Readonly<Record<string, NativeMessage['finish']>> = {
  stop: 'stop',
  'tool-calls': 'tools',
  length: 'length',
};

export function messageOf(value: unknown): NativeMessage {
  const wire = WireMessage.parse(value);
  return {
    id: wire.id,
    sessionId: wire.sessionID,
    role: wire.role,
    parentId: wire.parentID ?? null,
    createdAt: wire.time.created,
    completedAt: wire.time.completed ?? null,
    finish: wire.finish ? (FINISH[wire.finish] ?? 'other') : null,
    isCompaction: wire.mode === 'compaction',
    error: wire.error ? errorOf(wire.error) : null,
    usage: wire.tokens ? usageOf(wire.tokens, wire.cost ?? null) : NO_USAGE,
  };
}

export function partOf(value: unknown): NativePart {
  const wire = WireOtherPart.parse(value);
  const base = { id: wire.id, messageId: wire.messageID, sessionId: wire.sessionID };
  switch (wire.type) {
    case 'text':
    case 'reasoning': {
      const { type, text, time, synthetic } = WireTextPart.parse(value);
      return { ...base, type, text, isWhole: (time?.end ?? null) !== null, isSynthetic: synthetic === true };
    }
    case 'tool':
      return { ...base, ...toolOf(WireToolPart.parse(value)) };
    case 'patch':
      return { ...base, type: 'changes', files: WirePatchPart.parse(value).files };
    default:
      return { ...base, type: 'other', value };
  }
}

type ToolPart = Extract<NativePart, { type: 'tool' }>;

function toolOf({ callID, tool, state }: WireToolPart): Omit<ToolPart, 'id' | 'messageId' | 'sessionId'> {
  const metadata = state.metadata ?? {};
  const refused = tool === UNAVAILABLE ? refusedTool(state.input) : null;
  const ended = refused !== null && state.status === 'completed' ? 'error' : state.status;
  return {
    type: 'tool',
    callId: callID,
    tool: refused ?? tool,
    status: isInterrupted(state, metadata) ? 'interrupted' : ended,
    title: state.title ?? '',
    input: state.input ?? null,
    output: state.output ?? state.error ?? '',
    files: state.status === 'completed' ? filesOf(metadata) : [],
    startedAt: state.time?.start ?? null,
  };
}

/** A call of a tool that the model does not have (a denied one), or with wrong arguments, is `completed` under this name. */
const UNAVAILABLE = 'invalid';

const refusedTool = (input: unknown): string | null => InvalidCall.safeParse(input).data?.tool ?? null;
const InvalidCall = z.object({ tool: z.string() });

/** An aborted bash is `completed` without an exit code; the other tools say `interrupted`. */
const isInterrupted = (state: WireToolPart['state'], metadata: Properties): boolean =>
  (state.status === 'error' && metadata.interrupted === true) ||
  (state.status === 'completed' && 'exit' in metadata && metadata.exit === null);

/** `write` tells `filepath`, `edit` a `filediff`, `patch` a list of `files`. */
function filesOf(metadata: Properties): string[] {
  const name = (value: unknown): string[] => {
    if (typeof value === 'string') return [value];
    if (typeof value !== 'object' || value === null) return [];
    const { file, filePath } = value as Properties;
    return [file, filePath].filter((path) => typeof path === 'string');
  };
  const lists = Array.isArray(metadata.files) ? metadata.files : [];
  return [...new Set([metadata.filepath, metadata.filediff, ...lists].flatMap(name))];
}

export function entryOf(value: unknown): NativeEntry {
  const { info, parts } = WireEntry.parse(value);
  return { message: messageOf(info), parts: parts.map(partOf) };
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

export function permissionAskOf(value: unknown): NativeAsk {
  const { id, sessionID, permission, patterns, metadata, tool } = WirePermission.parse(value);
  const call = { tool: permission, patterns, command: text(metadata.command), diff: text(metadata.diff) };
  return { id, sessionId: sessionID, subject: { type: 'permission', call }, call: callOf(tool) };
}

export function questionAskOf(value: unknown): NativeAsk {
  const { id, sessionID, questions, tool } = WireQuestion.parse(value);
  const asked = questions.map(
    ({ question, header, options, multiple, custom }): Question => ({
      question,
      header,
      options,
      isMultiple: multiple === true,
      isFreeText: custom !== false,
    }),
  );
  return { id, sessionId: sessionID, subject: { type: 'question', questions: asked }, call: callOf(tool) };
}

const callOf = (tool: WirePermission['tool']): NativeAsk['call'] =>
  tool ? { messageId: tool.messageID, callId: tool.callID } : null;

export const todosOf = (value: unknown): NativeTodo[] =>
  WireTodos.parse(value).map(({ content, status }) => ({ text: content, status }));
