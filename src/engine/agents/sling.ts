import { isAbsolute } from 'node:path';
import type { Assignment } from '../../contract/agent-operations.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import type { Attempt } from '../../contract/attempt.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import { type AgentAddress, type AttemptId, TaskId } from '../../contract/ids.ts';
import type { Isolation } from '../../contract/isolation.ts';
import type { Project } from '../../contract/project.ts';
import { isRequestOver } from '../../contract/request.ts';
import { isTaskActive, isTaskOver, type Task } from '../../contract/task.ts';
import type { Git } from '../../git/git.ts';
import type { RepositoryState } from '../../git/inspect.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import { needRight } from '../messages/post.ts';
import type { Parts } from '../parts.ts';
import { requireModel } from '../planning/model-filter.ts';
import { singleTaskPlan } from '../planning/planner.ts';
import { insertPlanned } from '../planning/planning.ts';
import { projectContext } from '../planning/project-context.ts';
import { addProject, checkClean, needProject, repositoryAt } from '../projects.ts';
import { pickAgent } from '../scheduling/claim.ts';
import type { Dispatcher } from '../scheduling/dispatch.ts';
import { isolationOf } from '../scheduling/isolation.ts';
import type { Probes } from '../scheduling/probes.ts';
import { needRole, onlyAgentOf, type Placement, placementOf } from '../scheduling/roles.ts';
import { refuseStopped } from '../stops.ts';
import { subjectOf } from '../subject.ts';
import { newRequest } from '../submit.ts';
import { checkText, noticesOf, roleAsked, startOf } from './sling-flags.ts';

type Input = ParsedInputOf<'tasks.sling'>;
type Tools = { readonly git: Git; readonly probes: Probes; readonly dispatcher: Dispatcher };
/** Everything that was checked before anything is changed. */
type Checked = Omit<Placement, 'notice'> & {
  readonly task: Task | null;
  /** Null for a repository that is registered only when the rest is sure. */
  readonly project: Project | null;
  readonly path: string;
  readonly name: string;
  readonly role: string;
  readonly target: AgentAddress | null;
  readonly state: RepositoryState;
  readonly notices: readonly string[];
};

/**
 * Gives a task, or a text that becomes one, to an agent; one is made if need be. Guards come first and change nothing; then
 * everything is committed together, or nothing is. Of two callers one wins, and the other is told who holds the task.
 * @throws AppError `forbidden`, `conflict`, `not_found`, `bad_request` and those of the project and backend, each with what undoes it
 */
export async function sling(parts: Parts, tools: Tools, input: Input, caller: Caller): Promise<Assignment> {
  needRight(parts, caller, 'assign');
  if (caller.agent !== null && input.merge === 'queue')
    throw new AppError('forbidden', 'an agent puts nothing into the merge queue; a person does: gantry merge add');
  const checked = await check(parts, tools, input);
  if (input.isDryRun) {
    const isUnchanged = checked.task !== null && isHeldAlready(parts.store.read, checked.task, checked, input);
    if (isUnchanged) return assignment(parts, checked, outcome(checked.task, undefined, true));
    return assignment(parts, checked, { state: 'dry-run', cause: 'nothing was done' });
  }
  const { taskId, superseded, isUnchanged } = checked.task
    ? parts.store.commit((tx) => reassign(parts, tx, checked, input, caller))
    : await insert(parts, tools, checked, input, caller);
  await tools.dispatcher.stopRuns(superseded, { type: 'cancel', cause: `given to another agent by ${caller.actor}` });
  await tools.dispatcher.passed();
  const task = parts.store.read.tasks.need(taskId);
  const waiting = tools.dispatcher.outlook().waiting.find(({ id }) => id === taskId);
  const project = parts.store.read.projects.need(task.projectId);
  return assignment(
    parts,
    { ...checked, task, project },
    outcome(task, waiting, isUnchanged),
    waiting?.position ?? null,
  );
}

function outcome(
  task: Task,
  waiting: { readonly reason: string } | undefined,
  isUnchanged: boolean,
): Pick<Assignment, 'state' | 'cause'> {
  if (isUnchanged) return { state: 'unchanged', cause: `${task.agent ?? task.target ?? 'it'} has it already` };
  if (waiting) return { state: 'queued', cause: waiting.reason };
  if (task.state === 'blocked') return { state: 'blocked', cause: task.cause ?? 'waits for other tasks' };
  return { state: isTaskActive(task.state) ? 'assigned' : 'queued', cause: task.cause ?? `it is ${task.state}` };
}

async function check(parts: Parts, { git, probes }: Tools, input: Input): Promise<Checked> {
  const { read } = parts.store;
  const isTask = TaskId.safeParse(input.task).success;
  const task = isTask ? read.tasks.need(input.task) : null;
  if (!task && input.task.startsWith('-'))
    throw new AppError('usage', `"${input.task.slice(0, 40)}" looks like a flag, not like a task`);
  const place = await placeOf(parts, git, input.project);
  refuseStopped(read, place.project?.id ?? null);
  if (task && task.projectId !== place.project?.id) {
    const other = read.projects.need(task.projectId).name;
    throw new AppError('conflict', `${task.id} is a task of ${other}: gantry sling ${task.id} ${other}`);
  }
  checkAfter(parts, input, place.project);
  checkText(task, input);
  const state = await startOf(git, place.path, input);
  if (!task) checkClean({ path: place.path }, state, input.isDirtyAllowed);
  parts.checkSettings?.(place.path);
  const settings = parts.settingsFor(place.path);
  const role = roleAsked(settings, input, task);
  const placement = placementOf(settings, role, placeAsked(input, task));
  requireModel(placement.model, settings);
  await parts.hostFor(isolationOf(settings, role, isolationAsked(parts, input, task)));
  // With others in line the role's fallback decides what follows.
  if (!needRole(settings, role).fallback) await probes.needUsable(placement.backend);
  const only = onlyAgentOf(settings, place.name, role);
  if (only !== null && input.name !== undefined)
    throw new AppError('bad_request', `the role ${role} has one agent, ${only}: it takes no --name`);
  const named = input.name === undefined ? (task?.target ?? null) : `${place.name}/${role}/${input.name}`;
  const { notice, ...placed } = placement;
  const notices = [notice, ...noticesOf(input, state)].filter((text) => text !== null);
  return { ...placed, task, ...place, role, target: only ?? named, state, notices };
}

function isolationAsked({ store }: Parts, { isolation }: Input, task: Task | null): Isolation | null {
  return task === null ? (isolation ?? null) : store.read.requests.need(task.requestId).options.isolation;
}

/** What the flags leave open a task has already, unless its role changes. */
function placeAsked(input: Input, task: Task | null): Pick<Input, 'backend' | 'model'> {
  const isKept = task !== null && (input.role === undefined || input.role === task.role);
  if (!isKept || input.backend !== undefined) return input;
  return { backend: task.backend, model: input.model ?? task.model ?? undefined };
}

async function placeOf(parts: Parts, git: Git, wanted: string): Promise<Pick<Checked, 'project' | 'path' | 'name'>> {
  if (!isAbsolute(wanted)) {
    const project = needProject(parts, wanted);
    return { project, path: project.path, name: project.name };
  }
  const { root, known: registered, name } = await repositoryAt(parts, git, wanted);
  return { project: registered ?? null, path: root, name };
}

function checkAfter({ store }: Parts, { after }: Input, project: Project | null): void {
  for (const id of after) {
    const needed = store.read.tasks.need(id);
    if (needed.projectId !== project?.id) throw new AppError('bad_request', `${id} is a task of another project`);
    if (isTaskOver(needed.state) && needed.state !== 'done')
      throw new AppError(
        'conflict',
        `${id} is ${needed.state}: what waits for it would never start; gantry retry ${id}`,
      );
  }
}

type Changed = {
  readonly taskId: TaskId;
  readonly superseded: readonly AttemptId[];
  readonly isUnchanged: boolean;
};

/** The text as a request of one task, in one transaction. */
async function insert(parts: Parts, { git }: Tools, checked: Checked, input: Input, caller: Caller): Promise<Changed> {
  const plan = singleTaskPlan(input.task, await projectContext(checked.path));
  const project = checked.project ?? (await addProject(parts, git, { path: checked.path }, caller));
  const settings = parts.settingsFor(checked.path);
  const { backend, model, role } = checked;
  const { isolation, merge } = input;
  const options = { backend, model, role, isSingleTask: true, isolation, merge };
  const request = newRequest(parts, { text: input.task, project, options, settings, state: checked.state }, caller);
  const taskId = parts.store.commit((tx) => {
    const meta = { actor: caller.actor, cause: 'slung' };
    const [task] = insertPlanned(parts, tx, request, plan, meta);
    if (!task) throw new AppError('internal', 'a plan of one task made none');
    const patch = { target: checked.target, priority: input.priority ?? task.priority, dependsOn: [...input.after] };
    tx.tasks.update(task.id, patch, meta);
    if (input.after.length > 0)
      tx.tasks.move(task.id, task.state, 'blocked', { cause: `waits for ${input.after.join(', ')}` }, meta);
    return task.id;
  });
  return { taskId, superseded: [], isUnchanged: false };
}

/**
 * Whether the agent that is meant has it, so that nothing is to be done.
 * @throws AppError `conflict` for one that is closed, deferred or another agent's, with what undoes it
 */
function isHeldAlready(read: Reader, task: Task, { target, name: project }: Checked, input: Input): boolean {
  const { isForced, role, name } = input;
  refuseClosed(task, read.requests.need(task.requestId).state, isForced);
  if (!isTaskActive(task.state)) return false;
  if (target === null || target === task.agent) return true;
  if (isForced) return false;
  const given = Object.entries({ role, name }).map(([flag, value]) =>
    value === undefined ? '' : ` --${flag} ${value}`,
  );
  const remedy = `gantry sling ${task.id} ${project}${given.join('')} --force`;
  throw new AppError('conflict', `${task.agent} holds ${task.id}: ${remedy} takes it away`);
}

/** Takes an existing task by compare-and-set. */
function reassign(parts: Parts, tx: Transaction, checked: Checked, input: Input, caller: Caller): Changed {
  const task = tx.tasks.need(checked.task?.id ?? '');
  const meta = { actor: caller.actor, cause: `slung by ${caller.actor}` };
  if (isHeldAlready(tx, task, checked, input)) return { taskId: task.id, superseded: [], isUnchanged: true };
  const superseded = isTaskActive(task.state) && task.attemptId ? [task.attemptId] : [];
  for (const id of superseded) supersede(parts, tx, task, id, caller);
  const patch = {
    target: checked.target,
    role: checked.role,
    backend: checked.backend,
    model: checked.model,
    priority: input.priority ?? task.priority,
    dependsOn: [...new Set([...task.dependsOn, ...input.after])],
  };
  tx.tasks.update(task.id, patch, meta);
  const isBlocked = patch.dependsOn.some((id) => tx.tasks.need(id).state !== 'done');
  const to = isBlocked && !isTaskActive(task.state) && task.state === 'ready' ? 'blocked' : 'ready';
  if (task.state !== to && !(task.state === 'blocked' && isBlocked)) {
    tx.tasks.move(task.id, task.state, to, { cause: null, notBefore: null, attemptsBase: task.attempts }, meta);
  }
  return { taskId: task.id, superseded, isUnchanged: false };
}

function supersede({ clock }: Parts, tx: Transaction, task: Task, id: AttemptId, caller: Caller): void {
  const attempt = tx.attempts.need(id);
  const cause = `taken away by ${caller.actor}`;
  const meta = { actor: caller.actor, cause, subject: subjectOf(task, attempt) };
  tx.attempts.move(id, attempt.state, 'superseded', { cause, endedAt: clock.now() }, meta);
}

/** @throws AppError `conflict`, with what undoes it */
function refuseClosed(task: Task, request: Parameters<typeof isRequestOver>[0], isForced: boolean): void {
  const refuse = (why: string): never => {
    throw new AppError('conflict', `${task.id} ${why}`);
  };
  if (task.state === 'done' || task.state === 'cancelled')
    refuse(`is ${task.state}: a closed task is not opened again; sling its text anew`);
  if (task.state === 'failed' || isRequestOver(request)) refuse(`is ${task.state}: gantry retry ${task.id}`);
  if (request === 'paused') refuse(`belongs to a paused request: gantry resume ${task.requestId}`);
  if (task.state === 'deferred' && !isForced) refuse(`is deferred (${task.cause ?? ''}): --force takes it now`);
}

function assignment(
  parts: Parts,
  { task, project, name, role, backend, model, target, notices }: Checked,
  end: Pick<Assignment, 'state' | 'cause'>,
  position: number | null = null,
): Assignment {
  const { read } = parts.store;
  const attempt = task?.attemptId && isTaskActive(task.state) ? read.attempts.need(task.attemptId) : null;
  const wanted = { target, agent: task?.agent ?? null, role };
  const would = end.state === 'dry-run' ? pickAgent(read, { name }, wanted) : target;
  return {
    ...end,
    taskId: task?.id ?? null,
    requestId: task?.requestId ?? null,
    project: project?.name ?? name,
    role,
    ...(attempt ? placeOfAttempt(parts, attempt) : { ...NOWHERE, backend, model, agent: would }),
    position,
    notices: [...notices],
  };
}

const NOWHERE = { attemptId: null, sessionId: null, nativeId: null, workspace: null, branch: null, host: null };

function placeOfAttempt({ store, host }: Parts, attempt: Attempt) {
  const session = attempt.sessionId ? store.read.sessions.need(attempt.sessionId) : null;
  const { id, backend, model, agent, workspace, branch } = attempt;
  const place = { attemptId: id, backend, model, agent, workspace, branch };
  return {
    ...place,
    sessionId: session?.id ?? null,
    nativeId: session?.nativeId ?? null,
    host: session?.host ?? host.id,
  };
}
