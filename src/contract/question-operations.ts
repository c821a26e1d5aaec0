import { z } from 'zod';
import { ApprovalId } from './ids.ts';
import type { Operation } from './operation.ts';

const name = z.string().min(1).max(256);
const questionId = z.coerce.number().int().positive();
const MAX_TIMEOUT_MS = 7 * 86_400_000;

/** What came of a question: `denied` also for one that nobody answered in time, with the reason. */
export const QuestionOutcome = z.object({
  state: z.enum(['pending', 'allowed', 'answered', 'denied']),
  answer: z.string().nullable(),
  decidedBy: z.string().nullable(),
  reason: z.string().nullable(),
});
export type QuestionOutcome = z.infer<typeof QuestionOutcome>;

/** How a program asks the person and tells how far it is: the events API with a typed form. A question is an approval. */
export const QUESTION_OPERATIONS = {
  'questions.ask': {
    method: 'POST',
    path: '/api/v1/questions',
    scope: 'ingest',
    summary: 'Ask the person: a question, a choice, a permission, or for a file',
    status: 202,
    input: z.object({
      source: name,
      session: name,
      type: z.enum(['question', 'choice', 'permission', 'file']),
      question: z.string().min(1).max(10_000),
      /** Of a choice. */
      choices: z.array(z.string().min(1).max(500)).min(1).max(100).optional(),
      /** Of a permission. The policy looks at the command, if there is one. */
      tool: z.string().min(1).max(200).optional(),
      command: z.string().min(1).max(100_000).optional(),
      /** Of a file: a directory in a registered project or a workspace; the answer is a path below it. */
      directory: z.string().min(1).optional(),
      /** The same key again within 24 h is the same question. */
      key: z.string().min(1).max(128).optional(),
      /** Absent: `limits.approvalTimeout`. */
      timeoutMs: z.number().int().positive().max(MAX_TIMEOUT_MS).optional(),
    }),
    output: z.object({ id: z.number() }),
  },
  'questions.wait': {
    method: 'GET',
    path: '/api/v1/questions/:id',
    scope: 'ingest',
    summary: 'What came of a question, for the token that asked it; waits for the answer at most waitMs',
    status: 200,
    input: z.object({ id: questionId, waitMs: z.coerce.number().int().min(0).max(30_000).default(0) }),
    output: QuestionOutcome,
  },
  'questions.withdraw': {
    method: 'POST',
    path: '/api/v1/questions/:id/withdraw',
    scope: 'ingest',
    summary: 'Take a question back: nobody waits for its answer any more',
    status: 200,
    input: z.object({ id: questionId, reason: z.string().min(1).max(1000).default('the program that asked gave up') }),
    output: QuestionOutcome,
  },
  'questions.files': {
    method: 'GET',
    path: '/api/v1/approvals/:id/files',
    scope: 'approve',
    summary: 'The files that a question lets the person pick from',
    status: 200,
    input: z.object({
      id: ApprovalId,
      /** Part of the path; case does not count. */
      search: z.string().max(200).default(''),
      limit: z.coerce.number().int().min(1).max(1000).default(200),
    }),
    output: z.object({ items: z.array(z.string()), isTruncated: z.boolean() }),
  },
  'progress.report': {
    method: 'POST',
    path: '/api/v1/progress',
    scope: 'ingest',
    isForAgents: true,
    summary: 'Tell how far the work is; it is shown with the session, and changes nothing',
    status: 202,
    input: z.object({
      message: z.string().min(1).max(10_000),
      percent: z.number().min(0).max(100).optional(),
      /** An agent's own are known by its token. */
      source: name.optional(),
      session: name.optional(),
    }),
    output: z.object({ id: z.number() }),
  },
} as const satisfies Record<string, Operation>;
