import { z } from 'zod';
import { HistoryHit, HistoryMessage, HistoryProblem, HistorySession, HistorySource } from './history.ts';
import type { Operation } from './operation.ts';

const source = HistorySource.optional();
const problems = z.array(HistoryProblem);

export const HISTORY_OPERATIONS = {
  'history.sessions': {
    method: 'GET',
    path: '/api/v1/history/sessions',
    scope: 'read',
    summary:
      "Conversations in OpenCode's and Claude Code's own stores, newest first; a store that cannot be read is told",
    status: 200,
    input: z.object({ source, limit: z.coerce.number().int().min(1).max(1000).default(50) }),
    output: z.object({ items: z.array(HistorySession), problems }),
  },
  'history.messages': {
    method: 'GET',
    path: '/api/v1/history/sessions/:id/messages',
    scope: 'read',
    summary: 'One conversation, oldest first, with all kinds of parts; `after` is the `next` of the page before',
    status: 200,
    input: z.object({
      id: z.string().min(1).max(200),
      source,
      after: z.string().max(200).optional(),
      limit: z.coerce.number().int().min(1).max(1000).default(200),
    }),
    output: z.object({ session: HistorySession, items: z.array(HistoryMessage), next: z.string().nullable() }),
  },
  'history.search': {
    method: 'GET',
    path: '/api/v1/history/search',
    scope: 'read',
    summary: 'Where words stand in past conversations; not complete if the time was not enough',
    status: 200,
    input: z.object({
      text: z.string().trim().min(2).max(200),
      source,
      limit: z.coerce.number().int().min(1).max(200).default(20),
    }),
    output: z.object({ items: z.array(HistoryHit), problems, isComplete: z.boolean() }),
  },
} as const satisfies Record<string, Operation>;
