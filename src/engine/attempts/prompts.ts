import type { Agent } from '../../contract/agent.ts';
import type { Message } from '../../contract/message.ts';
import type { Request } from '../../contract/request.ts';
import type { Check, Task } from '../../contract/task.ts';

const criteria = (task: Task): string =>
  task.successCriteria
    .map((c) => `- ${c.text}${c.command === null ? '' : ` (checked by running: ${c.command})`}`)
    .join('\n');

/** The first prompt of a task. The request's own words are given as context unless the task is the request. */
export function taskPrompt(
  task: Task,
  request: Request,
  parts: { readonly rolePrompt: string | null; readonly handOver: string | null; readonly mail: readonly Message[] },
): string {
  const isWholeRequest = task.description.includes(request.text);
  return [
    parts.rolePrompt,
    isWholeRequest ? null : `This task is part of a larger request: ${request.text}`,
    `Task: ${task.title}\n\n${task.description}`,
    task.files.length > 0 ? `Files it is expected to touch: ${task.files.join(', ')}` : null,
    task.successCriteria.length > 0 ? `It is done when:\n${criteria(task)}` : null,
    'Work only inside of the current directory, a git worktree of your own. Do not commit, push or switch branches: your changes are committed for you. Do only this task. When it is done, say in one or two sentences what you did.',
    parts.handOver,
    mailText(parts.mail),
  ]
    .filter((part) => part !== null && part !== '')
    .join('\n\n');
}

/** The first words to an agent that stands by. */
export const introduction = ({ id }: Pick<Agent, 'id'>, rolePrompt: string | null): string =>
  [
    rolePrompt,
    `You are ${id}. You have no task now: you stand by for messages. Answer each one; what you change stays in the current directory.`,
  ]
    .filter((part) => part !== null)
    .join('\n\n');

/** Evidence against a claim of "done". */
export function evidencePrompt(checks: readonly Check[], problem: string | null): string {
  const unmet = checks
    .filter((check) => check.isMet === false)
    .map(
      (check) =>
        `- ${check.text}\n  command: ${check.command ?? '-'}\n  exit code: ${check.exitCode ?? 'none'}\n  output:\n${indent(check.output.slice(-4_000))}`,
    );
  return ['The work was checked and is not done yet:', problem, ...unmet, 'Mend this, then say what you changed.']
    .filter((part) => part !== null)
    .join('\n');
}

/** For a new session that takes over: what was done so far is in the worktree. */
export const handOverNote = (attempt: number, cause: string): string =>
  `This is attempt ${attempt}. The one before ended: ${cause}. What it did is in the working directory: look at it first (git status, git diff), keep what is good, and finish the task.`;

export const goOnPrompt = (cause: string): string =>
  `Your work was interrupted (${cause}). Go on with the task where you stopped; what you had done is in the working directory.`;

export function mailText(mail: readonly Message[]): string | null {
  if (mail.length === 0) return null;
  return mail.map((m) => `Message ${headOf(m)}:\n${m.text}`).join('\n\n');
}

function headOf({ id, from, subject, replyTo }: Message): string {
  const answered = replyTo === null ? '' : `, in reply to ${replyTo}`;
  return `${id} from ${from}${answered}${subject === null ? '' : ` (${subject})`}`;
}

/** Messages that join a running turn, or break it. */
export function urgentText(mail: readonly Message[], mode: 'steer' | 'interrupt'): string {
  const how =
    mode === 'steer'
      ? 'This came while you work; take it into account and go on with your task.'
      : 'Your turn was interrupted for this. Do what it says, then go on with your task.';
  return `${mailText(mail)}\n\n${how}`;
}

const indent = (text: string): string => text.replace(/^/gm, '    ');
