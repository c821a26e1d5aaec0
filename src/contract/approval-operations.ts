import { z } from 'zod';
import { Approval, Grant, GrantScope, PolicyVerdict } from './approval.ts';
import { ApprovalId, BackendId, RequestId } from './ids.ts';
import { cursor, limit, type Operation, page } from './operation.ts';

export const APPROVAL_OPERATIONS = {
  'approvals.list': {
    method: 'GET',
    path: '/api/v1/approvals',
    scope: 'read',
    summary: 'What waits for a person; with `all`, what was decided too',
    status: 200,
    input: z.object({ all: z.stringbool().default(false), requestId: RequestId.optional(), limit, cursor }),
    output: page(Approval),
  },
  'approvals.get': {
    method: 'GET',
    path: '/api/v1/approvals/:id',
    scope: 'read',
    summary: 'One question, whether it waits or was decided',
    status: 200,
    input: z.object({ id: ApprovalId }),
    output: Approval,
  },
  'approvals.allow': {
    method: 'POST',
    path: '/api/v1/approvals/:id/allow',
    scope: 'approve',
    summary: 'Allow a tool call: once, for its session, or for the project',
    status: 200,
    input: z.object({
      id: ApprovalId,
      scope: GrantScope.default('once'),
      ttlMs: z.number().int().positive().optional(),
    }),
    output: Approval,
  },
  'approvals.deny': {
    method: 'POST',
    path: '/api/v1/approvals/:id/deny',
    scope: 'approve',
    summary: 'Deny a tool call or a question; the agent is told the reason',
    status: 200,
    input: z.object({ id: ApprovalId, reason: z.string().min(1).max(2000).default('A person denied this.') }),
    output: Approval,
  },
  'approvals.answer': {
    method: 'POST',
    path: '/api/v1/approvals/:id/answer',
    scope: 'approve',
    summary: 'Answer a question: one list of labels or free texts per question',
    status: 200,
    input: z.object({ id: ApprovalId, answers: z.array(z.array(z.string().max(10_000))).min(1) }),
    output: Approval,
  },
  'grants.list': {
    method: 'GET',
    path: '/api/v1/grants',
    scope: 'read',
    summary: 'Standing permissions that a person gave',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(Grant) }),
  },
  'grants.revoke': {
    method: 'DELETE',
    path: '/api/v1/grants/:id',
    scope: 'approve',
    summary: 'Take a standing permission back',
    status: 200,
    input: z.object({ id: z.string() }),
    output: Grant,
  },
  'policy.test': {
    method: 'POST',
    path: '/api/v1/policy/test',
    scope: 'read',
    summary: 'What the policy would do with a tool call, and by which rule',
    status: 200,
    input: z.object({
      tool: z.string().default('bash'),
      value: z.string(),
      role: z.string().optional(),
      backend: BackendId.optional(),
      project: z.string().optional(),
    }),
    output: PolicyVerdict.extend({ patterns: z.array(z.string()) }),
  },
} as const satisfies Record<string, Operation>;
