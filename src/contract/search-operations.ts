import { z } from 'zod';
import { Fact } from './fact.ts';
import { AgentAddress, ProjectId, RequestId, SessionId, TaskId } from './ids.ts';
import { listOf, type Operation } from './operation.ts';

/** A fact that was found, and the place in its text: `marks` are [start, end) of what was looked for in `snippet`. */
export const FoundFact = z.object({
  fact: Fact,
  snippet: z.string(),
  marks: z.array(z.tuple([z.number(), z.number()])),
});
export type FoundFact = z.infer<typeof FoundFact>;

export const SEARCH_OPERATIONS = {
  'facts.search': {
    method: 'GET',
    path: '/api/v1/facts/search',
    scope: 'read',
    summary: 'Facts by the words in them, newest first: words, "phrases", beginnings*, field:value',
    status: 200,
    input: z.object({
      q: z.string().min(1).max(1_000),
      /** The cursor of the page before. */
      before: z.coerce.number().int().positive().optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
      kind: listOf(z.string()),
      /** Who caused it: gantry, person, agent:…, token:… */
      actor: listOf(z.string()),
      /** Of an outside program's event: its type, its app, its own session id. */
      type: listOf(z.string()),
      source: listOf(z.string()),
      session: listOf(z.string()),
      requestId: RequestId.optional(),
      taskId: TaskId.optional(),
      sessionId: SessionId.optional(),
      projectId: ProjectId.optional(),
      agent: AgentAddress.optional(),
      /** ms, of receipt. */
      from: z.coerce.number().optional(),
      to: z.coerce.number().optional(),
    }),
    output: z.object({
      items: z.array(FoundFact),
      nextCursor: z.number().nullable(),
      /** Facts up to this position are found by now. */
      indexedTo: z.number(),
    }),
  },
} as const satisfies Record<string, Operation>;
