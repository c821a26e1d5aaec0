import { z } from 'zod';

/**
 * What Gantry's plugin needs of OpenCode's plugin interface (observed with opencode-ai 1.18.33). OpenCode hands everything
 * over in process, so that only what is read is described, and what does not fit is passed over.
 */
export type PluginInput = {
  readonly client: NativeClient;
  /** Of this instance: one per directory and process. */
  readonly directory: string;
};

type Answer = Promise<{ readonly data?: unknown }>;

/** The SDK's client, which reaches the server in process. */
export type NativeClient = {
  readonly session: {
    readonly get: (options: { readonly path: { readonly id: string }; readonly signal?: AbortSignal }) => Answer;
  };
  readonly app: {
    readonly log: (options: {
      readonly body: { readonly service: string; readonly level: 'info' | 'warn'; readonly message: string };
    }) => Answer;
  };
  readonly tui: {
    readonly showToast: (options: {
      readonly body: { readonly title: string; readonly message: string; readonly variant: 'info' | 'warning' };
    }) => Answer;
  };
};

/** What a tool of the plugin is told about the call. */
export type ToolContext = {
  readonly sessionID: string;
  readonly messageID: string;
  readonly abort: AbortSignal;
};

export type ToolDefinition = {
  readonly description: string;
  readonly args: Readonly<Record<string, z.ZodType>>;
  readonly execute: (args: Record<string, unknown>, context: ToolContext) => Promise<string>;
};

export type MessageOutput = { readonly message: unknown; readonly parts: unknown[] };

/** The hooks that Gantry uses. `event` is not awaited by OpenCode; the others are. */
export type Hooks = {
  event?: (input: { readonly event: unknown }) => Promise<void>;
  'chat.message'?: (input: { readonly sessionID: string }, output: MessageOutput) => Promise<void>;
  'command.execute.before'?: (input: { readonly sessionID: string }) => Promise<void>;
  'experimental.session.compacting'?: (input: { readonly sessionID: string }) => Promise<void>;
  'experimental.chat.system.transform'?: (
    input: { readonly sessionID?: string },
    output: { readonly system: string[] },
  ) => Promise<void>;
  tool?: Record<string, ToolDefinition>;
  dispose?: () => Promise<void>;
};

export const NativeEvent = z.object({ type: z.string(), properties: z.record(z.string(), z.unknown()) });

export const NativeSession = z.object({
  id: z.string(),
  parentID: z.string().nullish(),
  title: z.string().optional(),
  directory: z.string().optional(),
});
export type NativeSession = z.infer<typeof NativeSession>;

const Model = z.object({ providerID: z.string(), modelID: z.string() });

export const UserMessage = z.object({
  id: z.string(),
  role: z.literal('user'),
  agent: z.string().optional(),
  model: Model.optional(),
});

export const AssistantMessage = Model.extend({
  id: z.string(),
  sessionID: z.string(),
  role: z.literal('assistant'),
  agent: z.string().optional(),
  cost: z.number(),
  tokens: z.record(z.string(), z.unknown()),
  time: z.object({ created: z.number(), completed: z.number().optional() }),
  finish: z.string().optional(),
  error: z.unknown().optional(),
});
export type AssistantMessage = z.infer<typeof AssistantMessage>;

const part = { sessionID: z.string(), messageID: z.string() };

export const TextPart = z.object({
  ...part,
  id: z.string(),
  type: z.enum(['text', 'reasoning']),
  text: z.string(),
  time: z.object({ end: z.number().optional() }).optional(),
});

export const ToolPart = z.object({
  ...part,
  type: z.literal('tool'),
  tool: z.string(),
  callID: z.string(),
  state: z.object({
    status: z.enum(['pending', 'running', 'completed', 'error']),
    input: z.unknown().optional(),
    title: z.string().optional(),
    output: z.string().optional(),
    error: z.string().optional(),
    time: z.object({ start: z.number(), end: z.number().optional() }).optional(),
  }),
});
export type ToolPart = z.infer<typeof ToolPart>;

/** The person's own words in the parts of a message: what the engine or a plugin has added does not count. */
export function wordsOf(parts: readonly unknown[]): string {
  const own = z.object({ type: z.literal('text'), text: z.string(), synthetic: z.boolean().optional() });
  return parts
    .flatMap((given) => {
      const read = own.safeParse(given).data;
      return read && read.synthetic !== true ? [read.text] : [];
    })
    .join('\n');
}
