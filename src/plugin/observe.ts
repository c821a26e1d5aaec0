import { z } from 'zod';
import {
  AssistantMessage,
  type MessageOutput,
  NativeEvent,
  NativeSession,
  TextPart,
  ToolPart,
  UserMessage,
  wordsOf,
} from './native.ts';

/** Something that is worth telling, under OpenCode's own session id. */
export type Observation = {
  readonly type: string;
  readonly sessionId: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly model?: string;
};

type Seen = {
  /** Null without one, undefined while OpenCode has not told. */
  parentId: string | null | undefined;
  isStarted: boolean;
  /** A prompt was given, and its end was not told yet. */
  isActive: boolean;
  /** The assistant's message that is being written, with its finished texts by part. */
  answer: { readonly id: string; readonly texts: Map<string, string> };
  lastText: string;
  /** Ids of messages and the words of errors that were told: OpenCode repeats both. */
  readonly told: Set<string>;
};

export type ObserverOptions = {
  readonly directory: string;
  /** How OpenCode was started. */
  readonly kind: 'tui' | 'cli' | 'server';
  readonly isReasoningTold: boolean;
};

const MAX_SESSIONS = 1_000;
const MAX_TOLD = 200;
const MAX_CALLS = 1_000;
/** Tools whose success means that a file was changed. */
const WRITES = new Set(['write', 'edit', 'multiedit', 'patch', 'apply_patch']);

const Subject = z.object({ sessionID: z.string() });
const Asked = z.object({
  id: z.string(),
  permission: z.string().optional(),
  patterns: z.array(z.string()).optional(),
  metadata: z.unknown().optional(),
  questions: z.unknown().optional(),
  tool: z.object({ callID: z.string() }).optional(),
});
const Answered = z.object({ requestID: z.string(), reply: z.unknown().optional(), answers: z.unknown().optional() });
const Errored = z.object({ name: z.string(), data: z.object({ message: z.string() }).partial().optional() });
const Retry = z.object({ type: z.literal('retry'), attempt: z.number(), message: z.string() });

/**
 * Makes observations of what OpenCode tells: each thing once, and only when it is whole. Streaming deltas and the growing
 * states of a part are passed over.
 */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #sessions = new Map<string, Seen>();
  /** Tool calls that have begun. */
  readonly #calls = new Set<string>();

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Null for a session without parent, undefined while it is not known. */
  parentOf(sessionId: string): string | null | undefined {
    return this.#sessions.get(sessionId)?.parentId;
  }

  event(given: unknown): Observation[] {
    const event = NativeEvent.safeParse(given).data;
    if (!event) return [];
    const { type, properties } = event;
    if (type === 'session.created' || type === 'session.updated') return this.#met(properties.info, type);
    if (type === 'session.deleted') return this.#deleted(properties.info);
    if (type === 'message.updated') return this.#message(properties.info);
    if (type === 'message.part.updated') return this.#part(properties.part);
    const sessionId = Subject.safeParse(properties).data?.sessionID;
    return sessionId === undefined ? [] : this.#other(type, sessionId, properties);
  }

  prompt(sessionId: string, { message, parts }: MessageOutput): Observation[] {
    const user = UserMessage.safeParse(message).data;
    const started = this.#start(sessionId, 'resume');
    const seen = this.#seen(sessionId);
    seen.isActive = true;
    seen.told.clear();
    const prompt = wordsOf(parts);
    const payload = {
      prompt,
      message: prompt,
      mode: this.#options.kind,
      ...(user && { message_id: user.id }),
      ...(user?.agent !== undefined && { agent: user.agent }),
    };
    const model = user?.model ? { model: `${user.model.providerID}/${user.model.modelID}` } : {};
    return [...started, { type: 'UserPromptSubmit', sessionId, payload, ...model }];
  }

  compacting(sessionId: string): Observation[] {
    return [{ type: 'PreCompact', sessionId, payload: {} }];
  }

  /** OpenCode leaves the directory. */
  end(): Observation[] {
    return [...this.#sessions].flatMap(([sessionId, seen]) => this.#ended(sessionId, seen, 'exit'));
  }

  #other(type: string, sessionId: string, properties: Readonly<Record<string, unknown>>): Observation[] {
    const one = (name: string, payload: Observation['payload']): Observation[] => [{ type: name, sessionId, payload }];
    const asked = Asked.safeParse(properties).data;
    const answered = Answered.safeParse(properties).data;
    switch (type) {
      case 'session.idle':
        return this.#idle(sessionId);
      case 'session.error':
        return this.#error(sessionId, properties.error);
      case 'session.status': {
        const retry = Retry.safeParse(properties.status).data;
        return retry ? one('Retrying', { attempt: retry.attempt, message: retry.message }) : [];
      }
      case 'session.compacted':
        return one('PostCompact', {});
      case 'todo.updated':
        return one('TodoUpdated', { todos: properties.todos });
      case 'permission.asked':
        return asked ? one('PermissionRequest', permissionOf(asked)) : [];
      case 'permission.replied':
        return answered ? one('PermissionReplied', { permission_id: answered.requestID, reply: answered.reply }) : [];
      case 'question.asked':
        return asked ? one('QuestionAsked', { question_id: asked.id, questions: asked.questions }) : [];
      case 'question.replied':
        return answered ? one('QuestionAnswered', { question_id: answered.requestID, answers: answered.answers }) : [];
      case 'question.rejected':
        return answered ? one('QuestionRejected', { question_id: answered.requestID }) : [];
      default:
        return [];
    }
  }

  #met(info: unknown, type: string): Observation[] {
    const session = NativeSession.safeParse(info).data;
    if (!session) return [];
    // Its prompt may have come first.
    const seen = this.#seen(session.id);
    seen.parentId = session.parentID ?? seen.parentId ?? null;
    return type === 'session.created' ? this.#start(session.id, 'startup', session) : [];
  }

  #start(sessionId: string, source: 'startup' | 'resume', session?: NativeSession): Observation[] {
    const seen = this.#seen(sessionId);
    if (seen.isStarted) return [];
    seen.isStarted = true;
    const payload = {
      source,
      mode: this.#options.kind,
      cwd: session?.directory ?? this.#options.directory,
      ...(session?.title !== undefined && { title: session.title }),
      ...(typeof seen.parentId === 'string' && { parent_session_id: seen.parentId }),
    };
    return [{ type: 'SessionStart', sessionId, payload }];
  }

  #deleted(info: unknown): Observation[] {
    const id = NativeSession.safeParse(info).data?.id ?? '';
    const seen = this.#sessions.get(id);
    this.#sessions.delete(id);
    return seen ? this.#ended(id, seen, 'deleted') : [];
  }

  #ended(sessionId: string, seen: Seen, reason: string): Observation[] {
    if (!seen.isStarted) return [];
    seen.isStarted = false;
    return [{ type: 'SessionEnd', sessionId, payload: { reason, mode: this.#options.kind } }];
  }

  /** OpenCode says idle twice after an error. */
  #idle(sessionId: string): Observation[] {
    const seen = this.#seen(sessionId);
    if (!seen.isActive) return [];
    seen.isActive = false;
    const payload = { stop_hook_active: false, last_assistant_message: seen.lastText };
    return [{ type: 'Stop', sessionId, payload }];
  }

  #error(sessionId: string, given: unknown): Observation[] {
    const error = errorText(given);
    if (!this.#isNew(sessionId, `error ${error}`)) return [];
    return [{ type: 'SessionError', sessionId, payload: { error } }];
  }

  #message(info: unknown): Observation[] {
    const message = AssistantMessage.safeParse(info).data;
    if (!message) return [];
    const { id, sessionID: sessionId, time, error } = message;
    const seen = this.#seen(sessionId);
    if (seen.answer.id !== id && time.completed === undefined) seen.answer = { id, texts: new Map() };
    if (time.completed === undefined || !this.#isNew(sessionId, id)) return [];
    const text = seen.answer.id === id ? [...seen.answer.texts.values()].join('\n') : '';
    if (text !== '') seen.lastText = text;
    const payload = {
      message_id: id,
      text,
      finish: message.finish ?? null,
      duration_ms: time.completed - time.created,
      tokens: message.tokens,
      // A model without prices costs 0 to OpenCode: that is not known.
      cost_usd: message.cost === 0 ? null : message.cost,
      ...(message.agent !== undefined && { agent: message.agent }),
      ...(error !== undefined && { error: errorText(error) }),
    };
    return [{ type: 'AssistantMessage', sessionId, payload, model: `${message.providerID}/${message.modelID}` }];
  }

  #part(given: unknown): Observation[] {
    const tool = ToolPart.safeParse(given).data;
    if (tool) return this.#tool(tool);
    const text = TextPart.safeParse(given).data;
    if (text?.time?.end === undefined) return [];
    const { sessionID: sessionId, messageID, type } = text;
    const { answer } = this.#seen(sessionId);
    // Parts of the person's own message come as well.
    if (answer.id !== messageID) return [];
    if (type === 'text') answer.texts.set(text.id, text.text);
    if (type === 'text' || !this.#options.isReasoningTold || !this.#isNew(sessionId, text.id)) return [];
    return [{ type: 'Reasoning', sessionId, payload: { text: text.text } }];
  }

  #tool({ sessionID: sessionId, tool, callID, state }: ToolPart): Observation[] {
    const { status, input, time } = state;
    const call = { call_id: callID, tool_use_id: callID, tool, tool_name: tool, tool_input: input };
    const key = `${sessionId} ${callID}`;
    if (status === 'pending') return [];
    const isFirst = !this.#calls.has(key);
    const began: Observation[] = isFirst ? [{ type: 'ToolRequested', sessionId, payload: call }] : [];
    if (status === 'running') {
      if (this.#calls.size >= MAX_CALLS) this.#calls.clear();
      this.#calls.add(key);
      return began;
    }
    this.#calls.delete(key);
    // Its end may be repeated, too.
    if (!this.#isNew(sessionId, `call ${callID}`)) return [];
    const duration = time?.end === undefined ? {} : { duration_ms: time.end - time.start };
    if (status === 'error') {
      return [
        ...began,
        { type: 'ToolFailed', sessionId, payload: { ...call, success: false, error: state.error ?? '', ...duration } },
      ];
    }
    const done = { ...call, success: true, title: state.title ?? '', tool_response: state.output ?? '', ...duration };
    const path = WRITES.has(tool) ? pathIn(input) : null;
    return [
      ...began,
      { type: 'ToolCompleted', sessionId, payload: done },
      ...(path === null ? [] : [{ type: 'FileEdited', sessionId, payload: { file: path, call_id: callID } }]),
    ];
  }

  #isNew(sessionId: string, key: string): boolean {
    const { told } = this.#seen(sessionId);
    if (told.has(key)) return false;
    if (told.size >= MAX_TOLD) told.clear();
    told.add(key);
    return true;
  }

  #seen(sessionId: string): Seen {
    return this.#sessions.get(sessionId) ?? this.#add(sessionId);
  }

  #add(sessionId: string): Seen {
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
    const answer = { id: '', texts: new Map<string, string>() };
    const seen: Seen = {
      parentId: undefined,
      isStarted: false,
      isActive: false,
      answer,
      lastText: '',
      told: new Set(),
    };
    this.#sessions.set(sessionId, seen);
    return seen;
  }
}

const permissionOf = ({ id, permission, patterns, metadata, tool }: z.infer<typeof Asked>): Observation['payload'] => ({
  permission_id: id,
  tool_name: permission ?? '',
  tool_input: metadata,
  patterns: patterns ?? [],
  ...(tool && { call_id: tool.callID, tool_use_id: tool.callID }),
});

function errorText(given: unknown): string {
  const error = Errored.safeParse(given).data;
  if (!error) return 'unknown';
  const message = error.data?.message;
  return message === undefined ? error.name : `${error.name}: ${message}`;
}

const pathIn = (input: unknown): string | null =>
  z.object({ filePath: z.string() }).safeParse(input).data?.filePath ?? null;
