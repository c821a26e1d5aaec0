import { newId } from '../../base/ids.ts';
import type { Attempt, StoredPrompt } from '../../contract/attempt.ts';
import type { AgentAddress, AttemptId, TaskId } from '../../contract/ids.ts';
import type { Isolation } from '../../contract/isolation.ts';
import type { Project } from '../../contract/project.ts';
import { isSessionOver } from '../../contract/session.ts';
import type { Task } from '../../contract/task.ts';
import { NO_USAGE } from '../../contract/usage.ts';
import type { Meta } from '../../store/rows.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import type { StandingAgents } from '../agents/standing.ts';
import { readyFor, type WarmAgent } from '../agents/warm-fit.ts';
import { markTaken } from '../agents/warm-take.ts';
import { openAlert } from '../alerts.ts';
import type { Collector } from '../attempts/collect.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import type { Parts } from '../parts.ts';
import { stopFor } from '../stops.ts';
import { isolationOf } from './isolation.ts';

/** A task that cannot be claimed for a reason of its project waits for a person; the others go on. */
export async function claimOrStop(...args: Parameters<typeof claim>): Promise<AttemptId | null> {
  const [parts, , taskId] = args;
  try {
    return await claim(...args);
  } catch (error) {
    const cause = `it could not be given out: ${error instanceof Error ? error.message : String(error)}`;
    parts.log.error({ err: error, task: taskId }, 'a task could not be claimed');
    parts.store.commit((tx) => {
      const task = tx.tasks.need(taskId);
      if (task.state !== 'ready') return;
      tx.tasks.move(taskId, 'ready', 'waiting', { cause }, { actor: 'gantry', cause });
      openAlert(tx, `task:${taskId}`, `${task.title}: ${cause}. Then: gantry retry ${taskId}`, {
        taskId,
        requestId: task.requestId,
      });
    });
    return null;
  }
}

/**
 * Takes a ready task by compare-and-set: attempt, fencing number, agent and workspace are committed before anything starts.
 * @returns null if the task was taken or closed meanwhile.
 */
async function claim(
  parts: Parts,
  tools: { readonly workspaces: Workspaces; readonly collector: Collector; readonly standing: StandingAgents },
  taskId: TaskId,
): Promise<AttemptId | null> {
  const task = parts.store.read.tasks.need(taskId);
  const project = parts.store.read.projects.need(task.projectId);
  const base = await tools.collector.head(project, parts.store.read.requests.need(task.requestId));
  return parts.store.commit((tx) => {
    const current = tx.tasks.need(taskId);
    if (current.state !== 'ready' || stopFor(tx, project.id)) return null;
    const warm = readyFor(parts, ({ id }) => tools.standing.run(id)?.isReady ?? false, project, current);
    const address = warm?.id ?? pickAgent(tx, project, current);
    if (address === null) return null;
    const directory = tools.workspaces.pathFor(project, current, current.attempts + 1);
    const attempt = attemptFor(parts, tx, { task: current, address, base, directory, warm });
    const meta = {
      actor: 'gantry',
      cause: `attempt ${attempt.number} by ${attempt.agent}`,
      subject: {
        projectId: project.id,
        requestId: task.requestId,
        taskId,
        attemptId: attempt.id,
        agent: attempt.agent,
      },
    };
    tx.attempts.insert(attempt, meta);
    tx.tasks.move(
      taskId,
      'ready',
      'assigned',
      { attemptId: attempt.id, attempts: attempt.number, agent: attempt.agent, cause: null, endedAt: null },
      meta,
    );
    putAtWork(tx, project, task, attempt, warm, meta);
    if (attempt.sessionId) {
      tx.sessions.update(attempt.sessionId, { attemptId: attempt.id, ...(warm && { purpose: 'attempt' }) }, meta);
    }
    if (warm) markTaken(tx, attempt.id, warm.standing);
    return attempt.id;
  });
}

/** The agent of the attempt, known or new, is at work. */
function putAtWork(
  tx: Transaction,
  project: Project,
  { id: taskId, role }: Task,
  { id: attemptId, agent: id, sessionId, backend, model, createdAt }: Attempt,
  warm: WarmAgent | null,
  meta: Meta,
): void {
  const has = { taskId, attemptId, sessionId, backend, model };
  const known = tx.agents.get(id);
  if (known) {
    tx.agents.move(id, known.state, 'working', { ...has, ...(warm && { standing: null }) }, meta);
    return;
  }
  const projectId = id.startsWith('-/') ? null : project.id;
  const row = { id, projectId, role, name: nameOf(id), state: 'working' as const, standing: null, lent: null };
  tx.agents.insert({ ...row, ...has, createdAt, updatedAt: createdAt }, meta);
}

function attemptFor(
  parts: Parts,
  tx: Transaction,
  input: {
    readonly task: Task;
    readonly address: AgentAddress;
    readonly base: string;
    readonly directory: string;
    readonly warm: WarmAgent | null;
  },
): Attempt {
  const { task, address, warm } = input;
  const now = parts.clock.now();
  const number = task.attempts + 1;
  const request = tx.requests.need(task.requestId);
  const settings = parts.settingsFor(tx.projects.need(task.projectId).path);
  const isolation = isolationOf(settings, task.role, request.options.isolation);
  const before = heir(tx, task, isolation);
  return {
    id: warm?.standing.warm.attemptId ?? newId('att', now),
    taskId: task.id,
    requestId: task.requestId,
    number,
    fence: tx.nextFence(),
    state: 'starting',
    cause: null,
    agent: address,
    backend: task.backend,
    model: task.model,
    sessionId: before?.sessionId ?? warm?.standing.sessionId ?? null,
    isolation,
    workspace: before?.workspace ?? warm?.standing.workspace ?? input.directory,
    branch: before?.branch ?? `${request.branch}-${task.label.toLowerCase()}-${number}`,
    baseCommit: before?.baseCommit ?? input.base,
    prompts: before?.prompts ?? [],
    verifyRounds: 0,
    resumes: 0,
    commit: null,
    failure: null,
    usage: NO_USAGE,
    leaseUntil: now + request.options.timeoutMs,
    deadlineAt: now + request.options.timeoutMs,
    createdAt: now,
    updatedAt: now,
    endedAt: null,
  };
}

/** What a new attempt takes over: the workspace of the one before it, and its conversation where that can be resumed. */
function heir(
  read: Reader,
  task: Task,
  isolation: Isolation,
): {
  workspace: string;
  branch: string;
  baseCommit: string;
  sessionId: Attempt['sessionId'];
  prompts: StoredPrompt[];
} | null {
  const before = task.attemptId ? read.attempts.need(task.attemptId) : null;
  if (!before || before.failure?.class === 'conflict') return null;
  const { workspace, branch, baseCommit } = before;
  const session = before.sessionId ? read.sessions.need(before.sessionId) : null;
  const isSamePlace = before.backend === task.backend && before.isolation === isolation;
  // Who takes over begins anew, also where a kill or a full disk has kept the conversation from its end.
  const isOpen = session !== null && !isSessionOver(session.state) && before.state !== 'superseded';
  const canResume = isOpen && isSamePlace;
  return {
    workspace,
    branch,
    baseCommit,
    sessionId: canResume ? session.id : null,
    prompts: canResume ? before.prompts.filter((p) => p.state !== 'ended') : [],
  };
}

/** Who is to do it, else who had it before, else the lowest free number of the role; null if the one who must is not free. */
export function pickAgent(
  read: Reader,
  project: Pick<Project, 'name'>,
  task: Pick<Task, 'target' | 'agent' | 'role'>,
): AgentAddress | null {
  const isIdle = (address: AgentAddress): boolean => {
    const agent = read.agents.get(address);
    return agent === null || (agent.state === 'idle' && agent.lent === null);
  };
  if (task.target !== null) return isIdle(task.target) ? task.target : null;
  if (task.agent !== null && isIdle(task.agent)) return task.agent;
  return freeAddress(project, task.role, (address) => isIdle(address) && !read.agents.get(address)?.standing?.warm);
}

/** The lowest number of a role that is free. */
export function freeAddress(
  project: Pick<Project, 'name'>,
  role: string,
  isFree: (address: AgentAddress) => boolean,
): AgentAddress {
  for (let n = 1; ; n += 1) {
    const address = `${project.name}/${role}/${role}-${n}`;
    if (isFree(address)) return address;
  }
}

const nameOf = (address: AgentAddress): string => address.slice(address.lastIndexOf('/') + 1);
