import type { ApprovalSubject } from '../../contract/approval.ts';
import type { Failure } from '../../contract/failure.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import type { Usage } from '../../contract/usage.ts';
import type { McpServer, PermissionProfile } from '../backend.ts';
import type { NativeRule } from './permissions.ts';

/**
 * What the rest of this folder knows of OpenCode. A major version of OpenCode is one implementation of `Dialect`
 * (`v1/` for 1.x); nothing outside it knows a route, an event type or a field of the program.
 */
export type NativeSession = {
  readonly id: string;
  readonly parentId: string | null;
  readonly directory: string;
  readonly title: string;
  /** Gantry's own session id, if Gantry made it. */
  readonly gantrySession: string | null;
  readonly createdAt: number;
};

export type NativeMessage = {
  readonly id: string;
  readonly sessionId: string;
  readonly role: 'user' | 'assistant';
  /** Of an assistant message: the prompt that it answers. */
  readonly parentId: string | null;
  readonly createdAt: number;
  readonly completedAt: number | null;
  /** `stop` and `length` end a turn; after `tools` it goes on, or was stopped by a refusal. */
  readonly finish: 'stop' | 'tools' | 'length' | 'other' | null;
  readonly isCompaction: boolean;
  readonly error: NativeError | null;
  readonly usage: Usage;
};

/** `aborted`: somebody ended the turn. */
export type NativeError = { readonly type: 'aborted' } | { readonly type: 'failed'; readonly failure: Failure };

type PartBase = { readonly id: string; readonly messageId: string; readonly sessionId: string };
export type NativePart = PartBase &
  (
    | {
        readonly type: 'text' | 'reasoning';
        readonly text: string;
        /** Nothing more will be added. */
        readonly isWhole: boolean;
        /** Made by the engine, not by the model. */
        readonly isSynthetic: boolean;
      }
    | {
        readonly type: 'tool';
        /** The model's own id of the call: unique within its message. */
        readonly callId: string;
        readonly tool: string;
        readonly status: 'pending' | 'running' | 'completed' | 'error' | 'interrupted';
        readonly title: string;
        readonly input: unknown;
        readonly output: string;
        /** Absolute paths that the call has changed. */
        readonly files: readonly string[];
        readonly startedAt: number | null;
      }
    | { readonly type: 'changes'; readonly files: readonly string[] }
    | { readonly type: 'other'; readonly value: unknown }
  );

export type NativeAsk = {
  readonly id: string;
  readonly sessionId: string;
  readonly subject: ApprovalSubject;
  /** The call that waits; null if it is not told. */
  readonly call: { readonly messageId: string; readonly callId: string } | null;
};

export type NativeTodo = { readonly text: string; readonly status: string };

/** An event of the program's stream. */
export type NativeEvent =
  | { readonly type: 'alive' }
  | { readonly type: 'session'; readonly session: NativeSession }
  | { readonly type: 'session-deleted'; readonly sessionId: string }
  | { readonly type: 'message'; readonly sessionId: string; readonly message: NativeMessage }
  | { readonly type: 'part'; readonly sessionId: string; readonly part: NativePart }
  | {
      readonly type: 'delta';
      readonly sessionId: string;
      readonly messageId: string;
      readonly partId: string;
      readonly text: string;
    }
  | { readonly type: 'busy'; readonly sessionId: string }
  | {
      readonly type: 'retry';
      readonly sessionId: string;
      readonly try: number;
      readonly message: string;
      readonly nextAt: number | null;
    }
  | { readonly type: 'idle'; readonly sessionId: string }
  | { readonly type: 'error'; readonly sessionId: string; readonly error: NativeError }
  | { readonly type: 'asked'; readonly sessionId: string; readonly ask: NativeAsk }
  | { readonly type: 'answered'; readonly sessionId: string; readonly askId: string }
  | { readonly type: 'todo'; readonly sessionId: string; readonly items: readonly NativeTodo[] }
  | { readonly type: 'compacted'; readonly sessionId: string };

/** A message with its parts, as the history holds it. */
export type NativeEntry = { readonly message: NativeMessage; readonly parts: readonly NativePart[] };

export type NativePrompt = {
  readonly messageId: string;
  readonly partId: string;
  readonly text: string;
  readonly model: string | null;
  readonly agent: string | null;
  readonly system: string | null;
};

export type NativeAgent = {
  readonly name: string;
  /** Rules in their order, the last match decides; the engine's own hidden agents are left out. */
  readonly rules: readonly NativeRule[];
};

/** The commands of one server. Every one has its own time limit and throws HttpFailure. */
export type Dialect = {
  /** Where the event stream is. */
  readonly eventPath: string;
  /** Null for what is of no use here. @throws SyntaxError, ZodError for what is not understood. */
  readonly decode: (frame: string) => NativeEvent | null;

  readonly createSession: (options: {
    readonly directory: string;
    readonly title: string;
    readonly model: string | null;
    readonly gantrySession: string;
    readonly rules: PermissionProfile | null;
  }) => Promise<NativeSession>;
  /** Null if there is none. */
  readonly session: (id: string) => Promise<NativeSession | null>;
  readonly findSession: (directory: string, gantrySession: string) => Promise<NativeSession | null>;
  readonly forkSession: (
    id: string,
    options: {
      readonly directory: string;
      readonly title: string;
      readonly gantrySession: string;
      readonly rules: PermissionProfile | null;
    },
  ) => Promise<NativeSession>;
  readonly children: (id: string) => Promise<readonly NativeSession[]>;
  /** Ids of the sessions of a directory that are at work. */
  readonly busy: (directory: string) => Promise<ReadonlySet<string>>;
  /** The newest `limit` messages, oldest first; `before` is the `next` of an earlier answer. */
  readonly messages: (
    id: string,
    options: { readonly limit: number; readonly before: string | null },
  ) => Promise<{ readonly entries: readonly NativeEntry[]; readonly next: string | null }>;
  /** Null if there is none. */
  readonly message: (id: string, messageId: string) => Promise<NativeEntry | null>;
  readonly todo: (id: string) => Promise<readonly NativeTodo[]>;
  /** Resolves when the program has it. */
  readonly prompt: (id: string, prompt: NativePrompt) => Promise<void>;
  readonly abort: (id: string) => Promise<void>;
  readonly deleteSession: (id: string) => Promise<void>;
  /** Null if the program cannot tell now. */
  readonly asks: (directory: string) => Promise<readonly NativeAsk[] | null>;
  /** `gone`: there is no such question. */
  readonly allow: (askId: string, directory: string) => Promise<'taken' | 'gone'>;
  readonly deny: (askId: string, directory: string, reason: string) => Promise<'taken' | 'gone'>;
  readonly reply: (
    askId: string,
    directory: string,
    answers: readonly (readonly string[])[],
  ) => Promise<'taken' | 'gone'>;
  readonly agents: (directory: string) => Promise<readonly NativeAgent[]>;
  /** Whether `provider/model` is known there. */
  readonly hasModel: (directory: string, model: string) => Promise<boolean>;
  /** @returns why it is not connected; null if it is. */
  readonly addMcp: (
    directory: string,
    name: string,
    server: McpServer,
    blank: readonly string[],
  ) => Promise<string | null>;
  readonly disposeDirectory: (directory: string) => Promise<void>;
  readonly disposeAll: (limitMs: number) => Promise<void>;
};

/** The history as transcript items. */
export function transcriptOf(entries: readonly NativeEntry[]): TranscriptItem[] {
  return entries.flatMap(({ message, parts }) => [
    ...parts.flatMap((part) => itemOf(message, part) ?? []),
    ...(message.error?.type === 'failed'
      ? [
          {
            type: 'error',
            id: `${message.id}/error`,
            at: message.completedAt,
            text: message.error.failure.message,
          } as const,
        ]
      : []),
  ]);
}

function itemOf(message: NativeMessage, part: NativePart): TranscriptItem | null {
  const head = { id: part.id, at: message.createdAt };
  switch (part.type) {
    case 'text':
    case 'reasoning':
      if (message.role === 'user' && !part.isSynthetic) return { ...head, type: 'user', text: part.text };
      return { ...head, type: part.type, text: part.text };
    case 'tool': {
      const isOver = message.completedAt !== null && (part.status === 'running' || part.status === 'pending');
      const status = isOver ? 'interrupted' : part.status === 'pending' ? 'running' : part.status;
      const output = status === 'running' ? null : part.output;
      return { ...head, at: part.startedAt, type: 'tool', tool: part.tool, input: part.input, output, status };
    }
    case 'changes':
      return { ...head, type: 'raw', value: { changed: part.files } };
    case 'other':
      return { ...head, type: 'raw', value: part.value };
    default:
      return part satisfies never;
  }
}
