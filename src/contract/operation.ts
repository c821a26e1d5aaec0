import { z } from 'zod';
import type { Scope } from './shapes.ts';

/** A list in a query: `a,b`. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z
    .union([z.string().transform((s) => s.split(',').filter((x) => x !== '')), z.array(z.string())])
    .pipe(z.array(z.string()).pipe(z.array(item) as z.ZodType<z.output<T>[], string[]>))
    .optional();

/** How many rows a list gives. */
export const limit = z.coerce.number().int().min(1).max(1000).default(100);
/** Where the page before ended. */
export const cursor = z.string().optional();
export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

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
  /** A token that is bound to callers of delegated tasks may call it; all others it may not. */
  readonly isForCallers?: true;
};
