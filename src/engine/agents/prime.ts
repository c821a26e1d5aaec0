import type { Agent } from '../../contract/agent.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { Prime, PrimePart } from '../../contract/life-operations.ts';
import type { Reader } from '../../store/store.ts';
import { noteFor } from '../attempts/handoff-note.ts';
import { mailText } from '../attempts/prompts.ts';
import type { Parts } from '../parts.ts';
import { needAgent } from './addresses.ts';

/**
 * What an agent should know, worked out of the ledger; nothing is marked as read by it. An agent asks for itself only.
 * @throws AppError `bad_request` if nobody is named, `forbidden`, `not_found`
 */
export function prime(parts: Parts, { agent: asked }: ParsedInputOf<'agents.prime'>, caller: Caller): Prime {
  const whose = asked ?? caller.agent;
  if (whose === null) throw new AppError('bad_request', 'of which agent? Name it');
  const agent = needAgent(parts.store.read, whose);
  if (caller.agent !== null && caller.agent !== agent.id)
    throw new AppError('forbidden', `${caller.agent} is primed for itself only`);
  const told = [...aboutIt(parts, agent), ...aboutWork(parts.store.read, agent), ...aboutMail(parts.store.read, agent)];
  return { agent: agent.id, taskId: agent.taskId, text: told.map(({ text }) => text).join('\n\n'), parts: told };
}

function aboutIt({ store, settingsFor }: Parts, agent: Agent): PrimePart[] {
  const { read } = store;
  const project = agent.projectId === null ? null : read.projects.need(agent.projectId);
  const { prompt } = settingsFor(project?.path ?? null).roles[agent.role] ?? {};
  const place = agent.attemptId === null ? agent.standing : read.attempts.need(agent.attemptId);
  const branch = place?.branch == null ? '' : `, on the branch ${place.branch}`;
  return [
    ...part(
      'identity',
      `You are ${agent.id}, ${agent.role} on ${agent.backend}.`,
      'its address, role and agent program',
    ),
    ...part('role', prompt ?? null, `roles.${agent.role}.prompt`),
    ...part('place', place && `You work in ${place.workspace}${branch}.`, 'its workspace'),
  ];
}

function aboutWork(read: Reader, { taskId, attemptId, standing }: Agent): PrimePart[] {
  const task = taskId === null ? null : read.tasks.need(taskId);
  const attempt = attemptId === null ? null : read.attempts.need(attemptId);
  const work = task && `Your task ${task.id} (${task.state}): ${task.title}\n\n${task.description}`;
  const before = `This is attempt ${attempt?.number}. ${task?.failure?.message ?? ''}`.trim();
  return [
    ...part('task', work ?? 'You have no task now: you stand by for messages.', 'what it holds'),
    ...part('attempt', attempt && attempt.number > 1 ? before : null, 'the task was tried before'),
    ...part('hand-over', task ? noteFor(read, task.id) : (standing?.note ?? null), 'it took over'),
  ];
}

function aboutMail(read: Reader, { id }: Agent): PrimePart[] {
  const unread = read.messages.list({ to: id, state: ['queued', 'delivered'] });
  const mail = unread.sort((a, b) => URGENCY[a.mode] - URGENCY[b.mode]);
  return [
    ...part('messages', mailText(mail), 'not yet in a turn that is over, most urgent first'),
    ...part('commands', COMMANDS, 'always'),
  ];
}

const URGENCY = { interrupt: 0, steer: 1, 'next-turn': 2 } as const;

const COMMANDS =
  'Commands: gantry send <agent|person> "text", gantry inbox read <id>, gantry inbox reply <id> "text", gantry escalate "what blocks you", gantry prime.';

const part = (title: string, text: string | null, why: string): PrimePart[] =>
  text === null ? [] : [{ title, text, why }];
