import { z } from 'zod';
import { BudgetRow } from './budget.ts';
import { Fact, FactClass } from './fact.ts';
import { AgentAddress, ProjectId, RequestId, SessionId, TaskId } from './ids.ts';
import { limit, listOf, type Operation } from './operation.ts';
import { ViewSnapshot } from './shapes.ts';
import { UsageRow } from './usage-row.ts';

export const JOURNAL_OPERATIONS = {
  view: {
    method: 'GET',
    path: '/api/v1/view',
    scope: 'read',
    summary: 'A snapshot of everything current; the stream goes on from its seq',
    status: 200,
    input: z.object({ requestId: RequestId.optional() }),
    output: ViewSnapshot,
  },
  'facts.list': {
    method: 'GET',
    path: '/api/v1/facts',
    scope: 'read',
    summary: 'The journal: after a position, or the most recent',
    status: 200,
    input: z.object({
      since: z.coerce.number().int().nonnegative().optional(),
      /** With `since`: what is still kept after it, though others are gone. Who began at 0 goes on with it. */
      kept: z.stringbool().default(false),
      recent: z.coerce.number().int().min(1).max(1000).optional(),
      kind: listOf(z.string()),
      class: listOf(FactClass),
      /** Who caused it: gantry, person, agent:…, token:… */
      actor: listOf(z.string()),
      /** The app of an outside program's event. */
      source: listOf(z.string()),
      requestId: RequestId.optional(),
      taskId: TaskId.optional(),
      sessionId: SessionId.optional(),
      projectId: ProjectId.optional(),
      agent: AgentAddress.optional(),
      limit,
    }),
    output: z.object({
      items: z.array(Fact),
      next: z.number(),
      /** Of the most recent: there may be older ones. A page ends at 8 MB, too, however few facts that is. */
      isCut: z.boolean().optional(),
    }),
  },
  'usage.summary': {
    method: 'GET',
    path: '/api/v1/usage',
    scope: 'read',
    summary: 'Tokens and money per day, project, role, backend and model; of the last 30 days unless `since` says else',
    status: 200,
    input: z.object({
      since: z.coerce.number().int().nonnegative().optional(),
      until: z.coerce.number().int().nonnegative().optional(),
      project: z.string().optional(),
    }),
    output: z.object({ since: z.number(), until: z.number(), rows: z.array(UsageRow) }),
  },
  'budgets.list': {
    method: 'GET',
    path: '/api/v1/budgets',
    scope: 'read',
    summary: 'Every limit that holds now, with what was spent of it and what running work may still take',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(BudgetRow) }),
  },
} as const satisfies Record<string, Operation>;
