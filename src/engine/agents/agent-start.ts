import { mkdir } from 'node:fs/promises';
import type { Agent, Standing } from '../../contract/agent.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import { isAttemptLive } from '../../contract/attempt.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { AgentAddress } from '../../contract/ids.ts';
import type { StartedAgent } from '../../contract/life-operations.ts';
import type { Project } from '../../contract/project.ts';
import type { Session } from '../../contract/session.ts';
import type { Git } from '../../git/git.ts';
import { needCommit } from '../../git/refs.ts';
import type { Meta } from '../../store/rows.ts';
import type { Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import { requireModel } from '../planning/model-filter.ts';
import { addProject, needProject } from '../projects.ts';
import { needRole, type Placement, placementOf } from '../scheduling/roles.ts';
import type { LiveSession } from '../sessions/session.ts';
import { freshSession, isTold, markTold } from '../sessions/session-row.ts';
import type { Settings } from '../settings.ts';
import { refuseStopped } from '../stops.ts';
import { needNewAgent } from './addresses.ts';
import { refuseLent } from './lent.ts';
import type { LifeTools } from './life-tools.ts';
import { keepForPerson } from './warm-fit.ts';

type Input = ParsedInputOf<'agents.start'>;
/** Who is meant, known or not. */
export type Meant = Pick<Agent, 'id' | 'role' | 'name'> & {
  readonly known: Agent | null;
  readonly project: Project | null;
  readonly settings: Settings;
};

/**
 * Opens a session without a task; one that was stopped within a task goes on with it. Answers when the agent program would
 * take a prompt; if it cannot be started nothing is left of it. The same call again changes nothing.
 * @throws AppError `bad_request`, `conflict`, `overloaded` and those of the project and backend
 */
export async function startAgent(parts: Parts, tools: LifeTools, input: Input, caller: Caller): Promise<StartedAgent> {
  const meant = await whoIsMeant(parts, tools.git, input, caller);
  const { known, settings, id } = meant;
  refuseStopped(parts.store.read, meant.project?.id ?? null);
  if (known) refuseLent(known);
  if (known?.standing) return await asItStands(parts, tools, known, input, caller);
  if (known?.attemptId && isAttemptLive(parts.store.read.attempts.need(known.attemptId).state))
    return await goOn(parts, tools, known, caller);
  const kept = known && input.backend === undefined && input.model === undefined ? known : null;
  const placement = kept
    ? { backend: kept.backend, model: kept.model, notice: null }
    : placementOf(settings, meant.role, input);
  requireModel(placement.model, settings);
  await tools.probes.needUsable(placement.backend);
  await tools.pool.makeRoom({
    backend: placement.backend,
    projectId: meant.project?.id ?? null,
    role: meant.role,
  });
  await stand(parts, tools, meant, placement, caller);
  return answer(parts, id, await begin(parts, tools, meant, caller), placement.notice);
}

/** @throws AppError `bad_request` for a project that is needed and not named */
async function whoIsMeant(parts: Parts, git: Git, input: Input, caller: Caller): Promise<Meant> {
  const named = input.project ?? input.directory;
  const found = needNewAgent(parts.store.read, parts.settingsFor(null), input);
  const { read } = parts.store;
  if (found.known) {
    const project = found.known.projectId === null ? null : read.projects.need(found.known.projectId);
    return { ...found.known, known: found.known, project, settings: parts.settingsFor(project?.path ?? null) };
  }
  if (found.isOfPlane) return { ...found, id: `-/${found.role}/-`, project: null, settings: parts.settingsFor(null) };
  const wanted = found.project ?? named;
  if (wanted === undefined) throw new AppError('bad_request', `which project is ${input.agent} of? Name it: --project`);
  const project = wanted.startsWith('/')
    ? await addProject(parts, git, { path: wanted }, caller)
    : needProject(parts, wanted);
  const settings = parts.settingsFor(project.path);
  const role = found.role ?? settings.defaultRole;
  const isOnly = needRole(settings, role).instances === 'project';
  const name = isOnly ? '-' : found.name;
  const id = `${project.name}/${role}/${name}`;
  return { id, role, name, known: read.agents.get(id), project, settings };
}

/** It stands by already: nothing changes but that one which is down is tried again. */
async function asItStands(
  parts: Parts,
  tools: LifeTools,
  agent: Agent,
  input: Input,
  caller: Caller,
): Promise<StartedAgent> {
  const isOther = input.backend !== undefined && input.backend !== agent.backend;
  if (isOther)
    throw new AppError(
      'conflict',
      `${agent.id} is there already, on ${agent.backend}: gantry agent handoff ${agent.id} --to ${input.backend}`,
    );
  if (agent.state === 'working') throw new AppError('conflict', `${agent.id} works on ${agent.taskId} now`);
  keepForPerson(parts, agent, caller);
  const run = tools.standing.start(agent.id);
  run.call();
  return { ...answer(parts, agent.id, await run.ready, null), cause: 'it was there already' };
}

/** The same attempt goes on where the stop left it; the time between does not count against its limit. */
async function goOn(parts: Parts, tools: LifeTools, agent: Agent, caller: Caller): Promise<StartedAgent> {
  const { store, clock } = parts;
  const attempt = store.read.attempts.need(agent.attemptId ?? '');
  if (agent.state !== 'stopped') throw new AppError('conflict', `${agent.id} works on ${agent.taskId} now`);
  const meta = { actor: caller.actor, cause: 'started again' };
  store.commit((tx) => {
    tx.agents.move(agent.id, 'stopped', 'working', {}, meta);
    tx.attempts.update(attempt.id, { deadlineAt: attempt.deadlineAt + clock.now() - agent.updatedAt }, meta);
    tx.tasks.update(attempt.taskId, { cause: null }, meta);
  });
  tools.dispatcher.bringBack(attempt.requestId);
  const run = tools.dispatcher.run(attempt.id);
  if (!run) throw new AppError('conflict', `${attempt.requestId} does not go on now: gantry explain ${attempt.taskId}`);
  return answer(parts, agent.id, await run.opened, null);
}

/** What a fork begins with. */
export type ForkSource = { readonly nativeId: string; readonly baseCommit: string; readonly note: string };

/** Opens what was written down; if it cannot be, nothing is left of it. `check` refuses what it has become. */
export async function begin(
  parts: Parts,
  tools: LifeTools,
  meant: Meant,
  caller: Caller,
  check: (live: LiveSession) => void = () => undefined,
): Promise<LiveSession> {
  const run = tools.standing.start(meant.id);
  try {
    const live = await run.ready;
    check(live);
    return live;
  } catch (error) {
    await undo(parts, tools, meant, caller);
    throw error;
  }
}

/** Written down whole before anything is made. @throws AppError `overloaded`, `conflict` */
export async function stand(
  parts: Parts,
  { git, workspaces }: Pick<LifeTools, 'git' | 'workspaces'>,
  meant: Meant,
  { backend, model }: Pick<Placement, 'backend' | 'model'>,
  caller: Caller,
  fork: ForkSource | null = null,
): Promise<void> {
  const { id, project, role, name, settings } = meant;
  const workspace = workspaces.standingPath(project, meant);
  const branch = project && `gantry/agent/${role}/${name}`;
  const baseCommit = project && (fork?.baseCommit ?? (await needCommit(git, project.path, 'HEAD')));
  if (!project) await mkdir(workspace, { recursive: true, mode: 0o700 });
  parts.store.commit((tx) => {
    refuseFull(tx, settings, backend);
    const before = fork ? null : lastTalk(tx, id, backend, workspace);
    const nativeId = before?.nativeId ?? null;
    const given = { backend, model, directory: workspace, nativeId, attemptId: null };
    const row = freshSession(parts, { ...given, purpose: 'standing', agent: id });
    const projectId = project?.id ?? null;
    const meta = { actor: caller.actor, cause: 'started', subject: { projectId, agent: id } };
    tx.sessions.insert(row, meta);
    if (before) markTold(tx, row.id, nativeId);
    const standing: Standing = {
      sessionId: row.id,
      workspace,
      branch,
      baseCommit,
      prompts: [],
      forkOf: fork?.nativeId ?? null,
      note: fork?.note ?? null,
      warm: null,
    };
    const has = { standing, lent: null, backend, model, taskId: null, attemptId: null, sessionId: row.id };
    const times = { createdAt: row.createdAt, updatedAt: row.createdAt };
    putIdle(tx, { id, projectId, role, name, state: 'idle', ...has, ...times }, meta);
  });
}

/** @throws AppError `conflict` if another call was faster */
function putIdle(tx: Transaction, row: Agent, meta: Meta): void {
  const current = tx.agents.get(row.id);
  if (current?.standing || current?.state === 'working')
    throw new AppError('conflict', `${row.id} was started meanwhile`);
  const { id: _, state, createdAt: _made, updatedAt: _changed, ...has } = row;
  if (!current) tx.agents.insert(row, meta);
  else if (current.state === 'stopped') tx.agents.move(row.id, 'stopped', state, has, meta);
  else tx.agents.update(row.id, has, meta);
}

/** @throws AppError `overloaded` */
function refuseFull(tx: Transaction, { backends }: Settings, backend: string): void {
  const limit = backends[backend]?.maxSessions ?? Number.POSITIVE_INFINITY;
  const live = tx.sessions.count({ backend, state: ['starting', 'running', 'paused', 'lost'] });
  if (live < limit) return;
  throw new AppError(
    'overloaded',
    `limit of ${limit} sessions of backend ${backend} is reached (backends.${backend}.maxSessions)`,
  );
}

/** The conversation that the agent had last without a task, if the same program would know it. */
function lastTalk(tx: Transaction, agent: AgentAddress, backend: string, directory: string): Session | null {
  const [last] = tx.sessions.list({ agent, purpose: 'standing', order: 'desc', limit: 1 });
  if (last?.backend !== backend || last.directory !== directory) return null;
  return last.nativeId !== null && isTold(tx, last.id, last.nativeId) ? last : null;
}

async function undo(parts: Parts, tools: LifeTools, { id, project }: Meant, caller: Caller): Promise<void> {
  const { standing } = parts.store.read.agents.need(id);
  if (!standing) return;
  const none = { standing: null, sessionId: null };
  parts.store.commit((tx) => tx.agents.update(id, none, { actor: caller.actor, cause: 'it could not be started' }));
  await tools.standing.end([id], { type: 'stop', cause: 'it could not be started' });
  const { branch, baseCommit, workspace } = standing;
  if (project && branch !== null && baseCommit !== null)
    await tools.workspaces.leave(project, { workspace, branch, baseCommit });
}

export function answer(parts: Parts, id: AgentAddress, live: LiveSession, notice: string | null): StartedAgent {
  const { read } = parts.store;
  const agent = read.agents.need(id);
  const { directory, state, backend, model, nativeId } = read.sessions.need(live.id);
  const attempt = agent.attemptId ? read.attempts.need(agent.attemptId) : null;
  return {
    agent: id,
    state,
    cause: live.origin.type === 'new-instead' ? `new session: ${live.origin.reason}` : `${live.origin.type} session`,
    backend,
    model,
    sessionId: live.id,
    nativeId,
    workspace: directory,
    branch: attempt?.branch ?? agent.standing?.branch ?? null,
    notices: notice === null ? [] : [notice],
  };
}
