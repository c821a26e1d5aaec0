import { z } from 'zod';
import { ServerUrl } from './server-url.ts';

/** A Letta server whose agents are shown tasks in memory blocks. */
export const LettaSettings = z.strictObject({
  url: ServerUrl,
  /** The Letta agent that is shown the tasks that no Letta agent has handed over. Without it nobody is. */
  agent: z.string().min(1).optional(),
  /** Name of the variable that holds the server's key, if it wants one. */
  key: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/, 'the NAME of a variable, not a key')
    .optional(),
  /** Characters of a block. Default 50,000. */
  blockLimit: z.number().int().min(2_000).max(1_000_000).optional(),
  /** The newest events of a task that its block shows. Default 50. */
  maxEvents: z.number().int().min(1).max(1_000).optional(),
  /** Blocks that are attached at once; of tasks that are over the oldest goes first. Default 5. */
  maxAttached: z.number().int().min(1).max(100).optional(),
  /** Who says the notice. Default system. */
  noticeRole: z.enum(['system', 'user']).optional(),
  /** What becomes of a block a day after the end of its task. Default delete. */
  retention: z.enum(['delete', 'keep']).optional(),
});
export type LettaSettings = z.infer<typeof LettaSettings>;

/** Under which small value the store keeps the id of the memory block that shows a task. */
export const lettaBlockKey = (taskId: string): string => `letta.block.${taskId}`;
/** Under which key a write of that block waits to be delivered. */
export const lettaWriteKey = (taskId: string): string => `write.${taskId}`;
/** `name`: what the task is called there. */
export const lettaBlockLabel = (name: string): string => `opencode_workspace_${name}`;
