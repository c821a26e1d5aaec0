import type { CloseReport } from '../../backends/backend.ts';
import type { Agent } from '../../contract/agent.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import { isAttemptLive } from '../../contract/attempt.ts';
import type { Caller } from '../../contract/caller.ts';
import type { StoppedAgent } from '../../contract/life-operations.ts';
import { closeAlert } from '../alerts.ts';
import type { Left } from '../attempts/workspace.ts';
import type { Parts } from '../parts.ts';
import { endSession } from '../sessions/session-row.ts';
import { needAgent } from './addresses.ts';
import type { LifeTools } from './life-tools.ts';

type End = { readonly report: CloseReport | null; readonly workspace: string | null; readonly left: Left };

const NOTHING_LEFT: Left = { isKept: false, unsaved: [] };

/**
 * Ends an agent's session and all that it started. Its task, if it has one, waits for it with its workspace; what a standing
 * agent changed is kept and named. The ledger is changed first: no restart brings it back.
 * @throws AppError `not_found`
 */
export async function stopAgent(
  parts: Parts,
  tools: LifeTools,
  input: ParsedInputOf<'agents.stop'>,
  caller: Caller,
): Promise<StoppedAgent> {
  const { id } = needAgent(parts.store.read, input.agent);
  const cause = input.reason ?? `stopped by ${caller.actor}`;
  const agent = parts.store.read.agents.need(id);
  parts.store.commit((tx) => {
    const meta = { actor: caller.actor, cause };
    if (agent.state === 'stopped') return;
    const task = agent.state === 'working' && agent.taskId ? tx.tasks.get(agent.taskId) : null;
    tx.agents.move(id, agent.state, 'stopped', task ? {} : { standing: null, sessionId: null }, meta);
    if (task) tx.tasks.update(task.id, { cause: `${id} is stopped (${cause}): gantry agent start ${id}` }, meta);
    if (agent.lent) tx.agents.update(id, { lent: null }, meta);
    closeAlert(tx, `standing:${id}`, cause, { agent: id });
  });
  if (agent.lent) await tools.loans.end(id);
  const end =
    agent.state === 'working'
      ? await endWork(parts, tools, agent, cause)
      : await endStanding(parts, tools, agent, cause);
  tools.dispatcher.wake();
  return {
    agent: id,
    state: 'stopped',
    cause: agent.state === 'stopped' ? 'it was stopped already' : cause,
    exitCode: end.report?.exitCode ?? null,
    signal: end.report?.signal ?? null,
    survivors: [...(end.report?.survivors ?? [])],
    workspace: end.left.isKept ? end.workspace : null,
    unsaved: [...end.left.unsaved],
  };
}

async function endWork(parts: Parts, tools: LifeTools, { attemptId }: Agent, cause: string): Promise<End> {
  const attempt = attemptId ? parts.store.read.attempts.need(attemptId) : null;
  if (!attempt || !isAttemptLive(attempt.state)) return { report: null, workspace: null, left: NOTHING_LEFT };
  const run = tools.dispatcher.run(attempt.id);
  await tools.dispatcher.stopRuns([attempt.id], { type: 'park', cause });
  const unsaved = await tools.workspaces.unsaved(attempt.workspace);
  return { report: run?.closed ?? null, workspace: attempt.workspace, left: { isKept: true, unsaved } };
}

async function endStanding(
  parts: Parts,
  tools: LifeTools,
  { id, projectId, standing }: Agent,
  cause: string,
): Promise<End> {
  const run = tools.standing.run(id);
  await tools.standing.end([id], { type: 'stop', cause });
  const report = run?.closed ?? null;
  if (!standing) return { report, workspace: null, left: NOTHING_LEFT };
  if (!run) endSession(parts, standing.sessionId, cause);
  const { workspace, branch, baseCommit } = standing;
  const project = projectId === null ? null : parts.store.read.projects.need(projectId);
  if (!project || branch === null || baseCommit === null)
    return { report, workspace, left: { isKept: true, unsaved: [] } };
  return { report, workspace, left: await tools.workspaces.leave(project, { workspace, branch, baseCommit }) };
}
