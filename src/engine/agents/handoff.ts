import { existsSync } from 'node:fs';
import type { Agent, Standing } from '../../contract/agent.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import { type Attempt, isAttemptLive } from '../../contract/attempt.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { BackendId, TaskId } from '../../contract/ids.ts';
import type { HandedOver } from '../../contract/life-operations.ts';
import type { Git } from '../../git/git.ts';
import { status } from '../../git/inspect.ts';
import { keepNote } from '../attempts/handoff-note.ts';
import type { Parts } from '../parts.ts';
import { requireModel } from '../planning/model-filter.ts';
import { placementOf } from '../scheduling/roles.ts';
import { freshSession } from '../sessions/session-row.ts';
import { refuseStopped } from '../stops.ts';
import { subjectOf } from '../subject.ts';
import { needAgent } from './addresses.ts';
import { refuseLent } from './lent.ts';
import type { LifeTools } from './life-tools.ts';

type Place = Pick<Attempt, 'workspace' | 'branch' | 'baseCommit'>;
type Target = {
  readonly backend: BackendId;
  readonly model: string | null;
  readonly note: string;
  readonly cause: string;
};

const MOST_FILES = 20;
const MOST_COMMITS = 10;

/**
 * Gives an agent, with its task and workspace, to another agent program, or to a new session of its own. The note is durable with
 * the change itself: after a kill in between the new attempt still begins with it, once.
 * @throws AppError `conflict` if it has neither task nor session; those of the new backend, before anything is changed
 */
export async function handOver(
  parts: Parts,
  tools: LifeTools,
  input: ParsedInputOf<'agents.handoff'>,
  caller: Caller,
): Promise<HandedOver> {
  const { read } = parts.store;
  const agent = needAgent(read, input.agent);
  const project = agent.projectId === null ? null : read.projects.need(agent.projectId);
  refuseStopped(read, agent.projectId);
  refuseLent(agent);
  if (agent.backend === input.backend && input.model === undefined)
    throw new AppError(
      'conflict',
      `${agent.id} is on ${agent.backend} already: name no backend for a new session there, or another model`,
    );
  const settings = parts.settingsFor(project?.path ?? null);
  // Without another program all stays as it is.
  const asked = input.backend === undefined ? { backend: agent.backend, model: input.model ?? agent.model } : input;
  const { backend, model, notice } = placementOf(settings, agent.role, asked);
  requireModel(model, settings);
  await tools.probes.needUsable(backend);
  const attempt = agent.state === 'working' && agent.attemptId ? read.attempts.need(agent.attemptId) : null;
  const place = attempt ?? placeOf(agent.standing);
  const words = wordsOf(agent.backend, backend);
  const note = [
    `You take over from ${words.before}.${input.note === undefined ? '' : ` Its hand-over note: ${input.note}`}`,
    ...(place ? await account(tools.git, place) : []),
    'What was done is in the working directory: look at it first, keep what is good, and go on. The hand-over is done: do not repeat it.',
  ].join('\n');
  const target = { backend, model, note, cause: `handed over ${words.way} by ${caller.actor}` };
  const taskId = attempt
    ? await handOverTask(parts, tools, attempt, target, caller)
    : await handOverTalk(parts, tools, agent, target, caller);
  return {
    agent: agent.id,
    taskId,
    from: agent.backend,
    backend,
    model,
    note,
    notices: notice === null ? [] : [notice],
  };
}

const wordsOf = (from: BackendId, to: BackendId): { readonly before: string; readonly way: string } =>
  from === to
    ? { before: 'an earlier conversation of yours, which is over', way: `to a new session of ${to}` }
    : { before: from, way: `from ${from} to ${to}` };

function placeOf(standing: Standing | null): Place | null {
  if (!standing || standing.branch === null || standing.baseCommit === null) return null;
  return { workspace: standing.workspace, branch: standing.branch, baseCommit: standing.baseCommit };
}

/** What the workspace holds, in lines. */
async function account(git: Git, { workspace, branch, baseCommit }: Place): Promise<string[]> {
  if (!existsSync(workspace)) return [`Branch: ${branch}`];
  const log = ['log', '--format=%h %s', '-n', String(MOST_COMMITS), `${baseCommit}..HEAD`];
  const commits = (await git.read(workspace, log)).split('\n').filter((line) => line !== '');
  const files = (await status(git, workspace)).map(({ path }) => path);
  const more = files.length > MOST_FILES ? ` and ${files.length - MOST_FILES} more` : '';
  return [
    `Branch: ${branch}`,
    ...(commits.length > 0 ? [`Commits on it: ${commits.join('; ')}`] : []),
    `Changed files that are not committed: ${files.slice(0, MOST_FILES).join(', ') || 'none'}${more}`,
  ];
}

/** The attempt is superseded and the task ready for the same agent, in one transaction with the note. */
async function handOverTask(
  parts: Parts,
  { dispatcher }: LifeTools,
  { id }: Attempt,
  { backend, model, note, cause }: Target,
  caller: Caller,
): Promise<TaskId> {
  const taskId = parts.store.commit((tx) => {
    const attempt = tx.attempts.need(id);
    const task = tx.tasks.need(attempt.taskId);
    if (task.attemptId !== id || !isAttemptLive(attempt.state))
      throw new AppError('conflict', `${attempt.agent} has finished its attempt meanwhile`);
    const meta = { actor: caller.actor, cause, subject: subjectOf(task, attempt) };
    keepNote(tx, task.id, note);
    tx.attempts.move(id, attempt.state, 'superseded', { cause, endedAt: parts.clock.now() }, meta);
    const to = { backend, model, target: attempt.agent, failure: null, notBefore: null, attemptsBase: task.attempts };
    tx.tasks.move(task.id, task.state, 'ready', { ...to, cause: null }, meta);
    const { standing } = tx.agents.need(attempt.agent);
    const free = { taskId: null, attemptId: null, sessionId: standing?.sessionId ?? null };
    tx.agents.move(attempt.agent, 'working', 'idle', { ...free, backend, model }, meta);
    return task.id;
  });
  await dispatcher.stopRuns([id], { type: 'cancel', cause });
  await dispatcher.passed();
  return taskId;
}

/** An agent that stands by gets a new conversation in the same place, whose first prompt begins with the note. */
async function handOverTalk(
  parts: Parts,
  { standing }: LifeTools,
  { id }: Agent,
  { backend, model, note, cause }: Target,
  caller: Caller,
): Promise<null> {
  parts.store.commit((tx) => {
    const { standing: before, state } = tx.agents.need(id);
    if (!before || state !== 'idle')
      throw new AppError('conflict', `${id} is ${state} and has no session to hand over`);
    const place = { backend, model, directory: before.workspace, nativeId: null, attemptId: null };
    const row = freshSession(parts, { ...place, purpose: 'standing', agent: id });
    const meta = { actor: caller.actor, cause };
    tx.sessions.insert(row, meta);
    const after = { ...before, sessionId: row.id, prompts: [], forkOf: null, note, warm: null };
    tx.agents.update(id, { standing: after, sessionId: row.id, backend, model }, meta);
  });
  await standing.end([id], { type: 'stop', cause });
  standing.bringBack();
  await standing.run(id)?.ready;
  return null;
}
