import { z } from 'zod';
import { Attempt } from './attempt.ts';
import { RequestId, TaskId } from './ids.ts';
import { cursor, limit, listOf, type Operation, page } from './operation.ts';
import { Request, RequestState } from './request.ts';
import { Session } from './session.ts';
import { PlanPreview, RequestDetail, SubmitInput } from './shapes.ts';
import { Task, TaskState } from './task.ts';

/** An id of a request or a task: what control verbs act on. */
export const Controllable = z.union([RequestId, TaskId]);

const control = (verb: string, summary: string) =>
  ({
    method: 'POST',
    path: `/api/v1/things/:id/${verb}`,
    scope: 'operate',
    summary,
    status: 202,
    input: z.object({ id: Controllable, reason: z.string().max(1000).optional() }),
    output: z.object({ id: Controllable, state: z.string(), cause: z.string().nullable() }),
  }) as const;

export const REQUEST_OPERATIONS = {
  'requests.submit': {
    method: 'POST',
    path: '/api/v1/requests',
    scope: 'operate',
    summary: 'Submit a request: it is planned and carried out',
    status: 202,
    input: SubmitInput,
    output: Request,
  },
  'plans.preview': {
    method: 'POST',
    path: '/api/v1/plans/preview',
    scope: 'operate',
    summary: 'What a planner would be asked, and which one; no model is called',
    status: 200,
    input: SubmitInput.pick({ text: true, project: true, options: true }),
    output: PlanPreview,
  },
  'requests.list': {
    method: 'GET',
    path: '/api/v1/requests',
    scope: 'read',
    summary: 'Requests, newest first',
    status: 200,
    input: z.object({ state: listOf(RequestState), project: z.string().optional(), limit, cursor }),
    output: page(Request),
  },
  'requests.get': {
    method: 'GET',
    path: '/api/v1/requests/:id',
    scope: 'read',
    summary: 'A request with its plan, tasks and attempts',
    status: 200,
    input: z.object({ id: RequestId }),
    output: RequestDetail,
  },
  'requests.execute': {
    method: 'POST',
    path: '/api/v1/requests/:id/execute',
    scope: 'operate',
    summary: 'Carry out a request that was only planned',
    status: 202,
    input: z.object({ id: RequestId }),
    output: Request,
  },
  'requests.diff': {
    method: 'GET',
    path: '/api/v1/requests/:id/diff',
    scope: 'read',
    summary: 'The collected work of a request as a unified diff',
    status: 200,
    input: z.object({ id: RequestId, maxBytes: z.coerce.number().int().min(1).max(5_000_000).default(200_000) }),
    output: z.object({ diff: z.string(), isTruncated: z.boolean() }),
  },
  'tasks.list': {
    method: 'GET',
    path: '/api/v1/tasks',
    scope: 'read',
    summary: 'Tasks, newest first',
    status: 200,
    input: z.object({
      state: listOf(TaskState),
      requestId: RequestId.optional(),
      project: z.string().optional(),
      limit,
      cursor,
    }),
    output: page(Task),
  },
  'tasks.get': {
    method: 'GET',
    path: '/api/v1/tasks/:id',
    scope: 'read',
    summary: 'A task with its attempts',
    status: 200,
    input: z.object({ id: TaskId }),
    output: z.object({ task: Task, attempts: z.array(Attempt), sessions: z.array(Session) }),
  },
  'things.explain': {
    method: 'GET',
    path: '/api/v1/things/:id/explain',
    scope: 'read',
    summary: 'Why a thing is in the state it is in, in words',
    status: 200,
    input: z.object({ id: z.string() }),
    output: z.object({ id: z.string(), kind: z.string(), state: z.string(), lines: z.array(z.string()) }),
  },
  'things.cancel': control('cancel', 'Cancel a request or a task'),
  'things.pause': control(
    'pause',
    'Pause a request: running turns are frozen in containers, else broken off; nothing new starts',
  ),
  'things.resume': control('resume', 'Let a paused request go on'),
  'things.retry': control('retry', 'Try a failed or cancelled request or task again'),
} as const satisfies Record<string, Operation>;
