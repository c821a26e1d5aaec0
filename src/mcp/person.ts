import {
  type CallToolResult,
  type InputRequiredResult,
  inputRequired,
  RELATED_TASK_META_KEY,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Client } from '../client/client.ts';
import { AppError } from '../contract/errors.ts';
import { ApprovalId } from '../contract/ids.ts';
import { decideBy, elicitParams, openForms } from './elicit.ts';
import { failure } from './results.ts';
import type { ToolContext } from './tool.ts';

/** A person may take that long; the approval's own limit is what counts. */
const ELICIT_MS = 86_400_000;

/** The person at a client with a session: a request to the client, in the middle of a call. */
export const elicitBy =
  ({ mcpReq }: ServerContext): ToolContext['elicit'] =>
  (form, signal) => {
    const _meta = { [RELATED_TASK_META_KEY]: { taskId: form.taskId } };
    return mcpReq.elicitInput({ ...elicitParams(form), _meta }, { signal, timeout: ELICIT_MS });
  };

/** What comes back with a call that is made again: whose task it was, and what was asked already. It gives nobody a right. */
const Round = z.object({ task: z.string(), asked: z.array(ApprovalId).max(1_000) });
type Round = z.infer<typeof Round>;

const Answers = z.record(
  z.string(),
  z.object({ action: z.enum(['accept', 'decline', 'cancel']), content: z.record(z.string(), z.unknown()).optional() }),
);

/**
 * Null for the first round.
 * @throws AppError bad_request: as a first round it would hand the task over again
 */
function roundOf(state: unknown): Round | null {
  if (state === undefined) return null;
  try {
    return Round.parse(JSON.parse(String(state)));
  } catch (cause) {
    throw new AppError('bad_request', 'requestState: expected it as this server gave it', { cause });
  }
}

/** Decides by the forms that came back, of those that the task still waits for. */
export async function takeAnswers({ mcpReq }: ServerContext, client: Client, taskId: string): Promise<void> {
  const { data: answers = {} } = Answers.safeParse(mcpReq.inputResponses ?? {});
  for (const { approvalId } of await openForms(client, taskId)) {
    const given = answers[approvalId];
    if (given) await decideBy(client, approvalId, given);
  }
}

/**
 * The person at a client without a session: a call that needs an answer ends with the question, and is made again with the
 * answer. `run` is broken off by the first question that was not asked before.
 */
export async function inRounds(
  context: ServerContext,
  client: Client,
  run: (round: Round | null, person: Pick<ToolContext, 'elicit' | 'signal'>) => Promise<CallToolResult>,
): Promise<CallToolResult | InputRequiredResult> {
  const question = Promise.withResolvers<InputRequiredResult>();
  const over = new AbortController();
  let round: Round | null = null;
  const elicit: ToolContext['elicit'] = async (form) => {
    const asked = round?.asked ?? [];
    if (!asked.includes(form.approvalId)) {
      const next: Round = { task: form.taskId, asked: [...asked, form.approvalId] };
      const inputRequests = { [form.approvalId]: inputRequired.elicit(elicitParams(form)) };
      question.resolve(inputRequired({ inputRequests, requestState: JSON.stringify(next) }));
    }
    return { action: 'cancel' };
  };
  try {
    round = roundOf(context.mcpReq.requestState());
    if (round) await takeAnswers(context, client, round.task);
    const signal = AbortSignal.any([context.mcpReq.signal, over.signal]);
    return await Promise.race([run(round, { elicit, signal }), question.promise]);
  } catch (error) {
    return failure(error);
  } finally {
    over.abort();
  }
}
