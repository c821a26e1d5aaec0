import type { InputOf } from '../contract/api.ts';
import type { ApprovalSubject } from '../contract/approval.ts';
import { toAppError } from '../contract/errors.ts';
import { ApprovalId } from '../contract/ids.ts';
import { SCOPES_THAT_SATISFY } from '../contract/shapes.ts';
import type { Elicited, ElicitField, ToolContext } from './tool.ts';

type Form = { readonly message: string; readonly field: 'decision' | 'answer'; readonly schema: ElicitField };

/**
 * Puts what a task waits for to the person at the client, where the client can ask one and the token may answer. Whoever
 * answers first decides; a form that is closed without an answer decides nothing.
 */
export async function askAtClient(
  { client, elicit }: Pick<ToolContext, 'client' | 'elicit'>,
  taskId: string,
  given: string,
  signal: AbortSignal,
): Promise<void> {
  if (!elicit) return;
  const { scope, agent } = await client.call('whoami', {});
  if (agent !== null || !SCOPES_THAT_SATISFY.approve.includes(scope)) return;
  const approvalId = ApprovalId.parse(given);
  const { items } = await client.call('delegations.approvals', { id: taskId });
  const asked = items.find(({ id }) => id === approvalId);
  const form = asked && formOf(asked.subject);
  if (!form) return;
  const { action, content } = await elicit(form.message, { [form.field]: form.schema }, signal);
  const answer = answerOf(form.field, action, content?.[form.field]);
  if (!answer) return;
  try {
    await client.call('delegations.decide', { approvalId, ...answer });
  } catch (error) {
    if (toAppError(error).code !== 'already_answered') throw error;
  }
}

type Answer = Pick<InputOf<'delegations.decide'>, 'decision' | 'message' | 'answers'>;

function answerOf(field: Form['field'], action: Elicited['action'], said: unknown): Answer | null {
  if (action === 'decline') return { decision: 'deny', message: 'The person at the client declined.' };
  if (action !== 'accept' || typeof said !== 'string') return null;
  if (field === 'answer') return { decision: 'once', answers: [[said]] };
  return { decision: said === 'once' || said === 'session' ? said : 'deny' };
}

/** Null for what a form of one field cannot ask. */
function formOf(subject: ApprovalSubject): Form | null {
  if (subject.type === 'permission') {
    const { tool, command, patterns } = subject.call;
    const schema = { type: 'string' as const, title: 'May it?', enum: ['once', 'session', 'deny'] };
    return { message: `May it use ${tool}?\n${command ?? patterns.join('\n')}`, field: 'decision', schema };
  }
  const [question, ...more] = subject.questions;
  if (!question || more.length > 0 || question.isMultiple) return null;
  const labels = question.options.map(({ label }) => label);
  const choices = question.isFreeText || labels.length === 0 ? {} : { enum: labels };
  return { message: question.question, field: 'answer', schema: { type: 'string', title: 'Answer', ...choices } };
}
