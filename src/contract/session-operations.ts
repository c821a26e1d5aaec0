import { z } from 'zod';
import { BackendId, SessionId, TaskId } from './ids.ts';
import { cursor, limit, type Operation, page } from './operation.ts';
import { Session, TranscriptItem } from './session.ts';
import { ExecResult } from './shapes.ts';

export const SESSION_OPERATIONS = {
  'sessions.list': {
    method: 'GET',
    path: '/api/v1/sessions',
    scope: 'read',
    summary: 'Sessions, newest first',
    status: 200,
    input: z.object({ taskId: TaskId.optional(), limit, cursor }),
    output: page(Session),
  },
  'sessions.transcript': {
    method: 'GET',
    path: '/api/v1/sessions/:id/transcript',
    scope: 'read',
    summary: 'The conversation of a session, from the journal',
    status: 200,
    input: z.object({ id: SessionId }),
    output: z.object({ items: z.array(TranscriptItem) }),
  },
  'exec.start': {
    method: 'POST',
    path: '/api/v1/exec',
    scope: 'operate',
    summary: 'One prompt to one agent in a directory, outside any plan',
    status: 202,
    input: z.object({
      prompt: z.string().min(1).max(1_000_000),
      directory: z.string().min(1),
      backend: BackendId.optional(),
      model: z.string().optional(),
      /** A native id: go on with that session. */
      resume: z.string().optional(),
      timeoutMs: z.number().int().positive().default(1_800_000),
    }),
    output: ExecResult,
  },
  'exec.wait': {
    method: 'GET',
    path: '/api/v1/exec/:id',
    scope: 'read',
    summary: 'The state of an exec; waits for its end at most waitMs',
    status: 200,
    input: z.object({ id: SessionId, waitMs: z.coerce.number().int().min(0).max(30_000).default(0) }),
    output: ExecResult,
  },
} as const satisfies Record<string, Operation>;
