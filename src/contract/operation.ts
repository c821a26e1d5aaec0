import type { z } from 'zod';
import type { Scope } from './shapes.ts';

/** A row of the table of operations. */
export type Operation = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly status: 200 | 202;
  readonly input: z.ZodObject;
  readonly output: z.ZodType;
  /** An agent's own token may call it too, whatever its scope; the engine lets it act as itself only. */
  readonly isForAgents?: true;
};
