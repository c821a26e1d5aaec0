import { z } from 'zod';
import { MergeId, RequestId } from './ids.ts';
import { Merge, MergeState, Verdict } from './merge.ts';
import { cursor, limit, listOf, type Operation, page } from './operation.ts';

export const MERGE_OPERATIONS = {
  'merges.add': {
    method: 'POST',
    path: '/api/v1/merges',
    scope: 'operate',
    summary: 'Put the collected work of a request into the merge queue',
    status: 202,
    input: z.object({
      requestId: RequestId,
      target: z.string().min(1).max(200).optional(),
      priority: z.number().int().min(0).max(4).optional(),
    }),
    output: Merge,
  },
  'merges.list': {
    method: 'GET',
    path: '/api/v1/merges',
    scope: 'read',
    summary: 'The merge queue and what became of what was in it, newest first; `place` 1 is next',
    status: 200,
    input: z.object({
      project: z.string().optional(),
      state: listOf(MergeState),
      limit,
      cursor,
    }),
    output: page(Merge.extend({ place: z.number().int().nullable() })),
  },
  'merges.review': {
    method: 'POST',
    path: '/api/v1/merges/:id/review',
    scope: 'operate',
    isForAgents: true,
    summary: 'Record a verdict on work that is to be merged; nobody approves their own',
    status: 200,
    input: z.object({ id: MergeId, verdict: Verdict, text: z.string().max(10_000).default('') }),
    output: Merge,
  },
  'merges.retry': {
    method: 'POST',
    path: '/api/v1/merges/:id/retry',
    scope: 'operate',
    summary: 'Put what was rejected or withdrawn into line again, as its branch is now',
    status: 202,
    input: z.object({ id: MergeId }),
    output: Merge,
  },
  'merges.withdraw': {
    method: 'POST',
    path: '/api/v1/merges/:id/withdraw',
    scope: 'operate',
    summary: 'Take something out of the merge queue; its branch stays',
    status: 202,
    input: z.object({ id: MergeId, reason: z.string().max(1000).optional() }),
    output: Merge,
  },
} as const satisfies Record<string, Operation>;
