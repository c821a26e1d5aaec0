import type { OpenSpec } from '../../backends/backend.ts';
import type { Agent } from '../../contract/agent.ts';
import type { Project } from '../../contract/project.ts';
import { isSessionOver } from '../../contract/session.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { OPEN_LIMIT_MS } from '../attempts/attempt-session.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import type { Parts } from '../parts.ts';
import { profileFor } from '../policy/policy.ts';
import { capabilitiesOf } from '../scheduling/capabilities.ts';
import { isolatedPlace, isolationOf } from '../scheduling/isolation.ts';
import { ownMcp } from '../sessions/own-mcp.ts';
import type { LiveSession } from '../sessions/session.ts';
import { openSession } from '../sessions/session-open.ts';
import { reopened } from '../sessions/session-row.ts';
import type { Settings } from '../settings.ts';
import type { StandingLedger } from './standing-ledger.ts';

/** The conversation of an agent that stands by: brought back if it has one, else made, in its own workspace. */
export async function openStandingSession(
  parts: Parts,
  { approvals, workspaces }: { readonly approvals: Approvals; readonly workspaces: Workspaces },
  ledger: StandingLedger,
  {
    agent,
    project,
    settings,
  }: { readonly agent: Agent; readonly project: Project | null; readonly settings: Settings },
  signal: AbortSignal,
): Promise<LiveSession> {
  if (isSessionOver(parts.store.read.sessions.need(ledger.sessionId).state)) ledger.renew();
  const { workspace, branch, baseCommit, sessionId, warm, forkOf } = ledger.standing;
  const isolation = isolationOf(settings, agent.role, null);
  if (project && branch !== null && baseCommit !== null) {
    const place = { id: sessionId, workspace, branch, baseCommit, isolation };
    await workspaces.prepare(project, place, settings.setup, signal);
  }
  const { id, role: roleName } = agent;
  const role = settings.roles[roleName] ?? {};
  const subject = { projectId: agent.projectId, agent: id };
  // What was told nothing has nothing to go on with, and some programs do not know it any more.
  const row = reopened(parts, ledger.sessionId, subject, warm === null ? {} : { nativeId: null });
  const canResume = capabilitiesOf(parts, row.backend)?.resume ?? false;
  const environment = parts.agentEnvironment(id, role.env ?? [], null);
  return openSession(
    parts,
    approvals,
    row,
    {
      ...(await isolatedPlace(parts, { isolation, workspace })),
      attemptId: null,
      title: id,
      directory: workspace,
      project: project ?? { id: 'plane', path: workspace, isTrusted: false },
      profile: profileFor(role),
      model: row.model,
      env: { ...environment, GANTRY_AGENT: id, ...(warm && { GANTRY_ATTEMPT: warm.attemptId }) },
      mcp: ownMcp(parts, row.backend, environment),
      instructions: null,
      from: fromOf(canResume ? row.nativeId : null, row.nativeId === null ? forkOf : null),
      limitMs: OPEN_LIMIT_MS,
      signal,
    },
    subject,
  );
}

const fromOf = (resumed: string | null, forked: string | null): OpenSpec['from'] => {
  if (resumed !== null) return { type: 'resume', nativeId: resumed };
  return forked === null ? { type: 'new' } : { type: 'fork', nativeId: forked };
};
