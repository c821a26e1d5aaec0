import { z } from 'zod';

/** Longest line that is taken; of a longer one nothing is. */
export const MAX_LINE_BYTES = 10 * 1024 * 1024;

/** What of ACP 1's `session/update` is read; an agent may send more kinds and more fields (@agentclientprotocol/sdk 2.4.0). */
const text = z.object({ type: z.literal('text'), text: z.string() });
const chunk = { messageId: z.string().nullish(), content: z.union([text, z.looseObject({ type: z.string() })]) };

const toolFields = {
  title: z.string().nullish(),
  name: z.string().nullish(),
  kind: z.string().nullish(),
  status: z.string().nullish(),
  content: z.array(z.looseObject({ type: z.string() })).nullish(),
  locations: z.array(z.object({ path: z.string() })).nullish(),
  rawInput: z.unknown().optional(),
  rawOutput: z.unknown().optional(),
};
export const ToolFields = z.object({ toolCallId: z.string(), ...toolFields });
export type ToolFields = z.infer<typeof ToolFields>;

export const Update = z.discriminatedUnion('sessionUpdate', [
  z.object({
    sessionUpdate: z.enum(['user_message_chunk', 'agent_message_chunk', 'agent_thought_chunk']),
    ...chunk,
  }),
  z.object({ sessionUpdate: z.enum(['tool_call', 'tool_call_update']), toolCallId: z.string(), ...toolFields }),
  z.object({
    sessionUpdate: z.literal('plan'),
    entries: z.array(z.object({ content: z.string(), status: z.string() })),
  }),
  z.object({
    sessionUpdate: z.literal('usage_update'),
    cost: z.object({ amount: z.number().nonnegative(), currency: z.string() }).nullish(),
  }),
]);
export type Update = z.infer<typeof Update>;

/** The notification around an update. `update` is parsed on its own: one that is not known is not wrong. */
export const UpdateMessage = z.object({
  method: z.literal('session/update'),
  params: z.object({ sessionId: z.string(), update: z.object({ sessionUpdate: z.string() }).loose() }),
});

/** The text of a content block; a block of another type is named. */
export function textOf(content: unknown): string {
  const block = text.safeParse(content);
  if (block.success) return block.data.text;
  const other = z.object({ type: z.string() }).safeParse(content);
  return `[${other.success ? other.data.type : 'something'}]`;
}
