import type { ElicitRequestFormParams } from '@modelcontextprotocol/server';
import type { Client } from '../client/client.ts';
import type { InputOf } from '../contract/api.ts';
import type { ApprovalSubject } from '../contract/approval.ts';
import { toAppError } from '../contract/errors.ts';
import { ApprovalId } from '../contract/ids.ts';
import { SCOPES_THAT_SATISFY } from '../contract/shapes.ts';
import type { Elicited, ElicitField, ElicitForm, ToolContext } from './tool.ts';

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
  if (!elicit || !(await mayAnswer(client))) return;
  const approvalId = ApprovalId.parse(given);
  const form = (await openForms(client, taskId)).find((one) => one.approvalId === approvalId);
  if (form) await decideBy(client, approvalId, await elicit(form, signal));
}

export async function mayAnswer(client: Client): Promise<boolean> {
  const { scope, agent } = await client.call('whoami', {});
  return agent === null && SCOPES_THAT_SATISFY.approve.includes(scope);
}

/** What a task waits for, as far as a form of one field can ask it. */
export async function openForms(client: Client, taskId: string): Promise<readonly ElicitForm[]> {
  const { items } = await client.call('delegations.approvals', { id: taskId });
  return items.flatMap(({ id: approvalId, subject }) => {
    const form = formOf(subject);
    return form ? [{ taskId, approvalId, message: form.message, fields: { [form.field]: form.schema } }] : [];
  });
}

/** A form as the protocol has it. */
export function elicitParams({ message, fields }: ElicitForm): ElicitRequestFormParams {
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, { enum: labels, ...field }]) => [
      name,
      labels ? { ...field, enum: [...labels] } : field,
    ]),
  );
  return { mode: 'form', message, requestedSchema: { type: 'object', properties, required: Object.keys(fields) } };
}

/** Decides as the person has filled the form in, unless somebody was earlier. */
export async function decideBy(client: Client, approvalId: ApprovalId, { action, content }: Elicited): Promise<void> {
  const answer = answerOf(action, content);
  if (!answer) return;
  try {
    await client.call('delegations.decide', { approvalId, ...answer });
  } catch (error) {
    if (toAppError(error).code !== 'already_answered') throw error;
  }
}

type Answer = Pick<InputOf<'delegations.decide'>, 'decision' | 'message' | 'answers'>;

function answerOf(action: Elicited['action'], { answer, decision }: Elicited['content'] = {}): Answer | null {
  if (action === 'decline') return { decision: 'deny', message: 'The person at the client declined.' };
  if (action !== 'accept') return null;
  if (typeof answer === 'string') return { decision: 'once', answers: [[answer]] };
  if (typeof decision !== 'string') return null;
  return { decision: decision === 'once' || decision === 'session' ? decision : 'deny' };
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
