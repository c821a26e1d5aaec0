import { z } from 'zod';
import { ProjectId } from './ids.ts';

export const Project = z.object({
  id: ProjectId,
  /** Unique; the last part of the path unless told otherwise. */
  name: z.string().regex(/^[\w.-]{1,64}$/, '1 to 64 letters, digits, dots, dashes or underscores'),
  /** Absolute, links resolved. */
  path: z.string(),
  /** Whether the repository's own plugins, MCP servers and agent settings may run. */
  isTrusted: z.boolean(),
  state: z.enum(['active', 'removed']),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Project = z.infer<typeof Project>;
