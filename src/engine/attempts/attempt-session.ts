import type { Project } from '../../contract/project.ts';
import { isSessionOver, type Session } from '../../contract/session.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { Parts } from '../parts.ts';
import { requireModel } from '../planning/model-filter.ts';
import { profileFor } from '../policy/policy.ts';
import { capabilitiesOf } from '../scheduling/capabilities.ts';
import { isolatedPlace } from '../scheduling/isolation.ts';
import { ownMcp } from '../sessions/own-mcp.ts';
import type { LiveSession } from '../sessions/session.ts';
import { openSession } from '../sessions/session-open.ts';
import { freshSession, reopened } from '../sessions/session-row.ts';
import type { Settings } from '../settings.ts';
import type { AttemptLedger } from './attempt-ledger.ts';

/** Longest wait for a session that would accept a prompt. */
export const OPEN_LIMIT_MS = 90_000;

/** The attempt's conversation: brought back if it has one, else made, and written down before it is opened. */
export async function openAttemptSession(
  parts: Parts,
  approvals: Approvals,
  ledger: AttemptLedger,
  project: Project,
  settings: Settings,
  signal: AbortSignal,
): Promise<LiveSession> {
  requireModel(ledger.task.model, settings);
  const before = ledger.attempt.sessionId && parts.store.read.sessions.need(ledger.attempt.sessionId);
  // One that never came to be, because the daemon stopped meanwhile, is followed by another.
  const row =
    before && !isSessionOver(before.state) ? reopened(parts, before.id, ledger.subject) : writeDown(parts, ledger);
  const { attempt, task } = ledger;
  const role = settings.roles[task.role] ?? {};
  const place = await isolatedPlace(parts, attempt);
  const canResume = capabilitiesOf(parts, row.backend)?.resume ?? false;
  const environment = parts.agentEnvironment(attempt.agent, role.env ?? [], attempt);
  return openSession(
    parts,
    approvals,
    row,
    {
      ...place,
      attemptId: attempt.id,
      title: `${task.label} ${task.title}`,
      directory: attempt.workspace,
      project: { id: project.id, path: project.path, isTrusted: project.isTrusted },
      profile: profileFor(role),
      model: task.model,
      env: {
        ...environment,
        GANTRY_AGENT: attempt.agent,
        GANTRY_TASK: task.id,
        GANTRY_ATTEMPT: attempt.id,
      },
      mcp: ownMcp(parts, row.backend, environment),
      instructions: null,
      from: row.nativeId === null || !canResume ? { type: 'new' } : { type: 'resume', nativeId: row.nativeId },
      limitMs: OPEN_LIMIT_MS,
      signal,
    },
    ledger.subject,
  );
}

function writeDown(parts: Parts, ledger: AttemptLedger): Session {
  const { attempt, task } = ledger;
  const { backend, id: attemptId, agent, workspace: directory } = attempt;
  const place = { backend, model: task.model, directory, nativeId: null };
  const row = freshSession(parts, { ...place, purpose: 'attempt', attemptId, agent });
  return ledger.change('open a session', (tx) => {
    const meta = { actor: 'gantry', cause: 'opens', subject: ledger.subject };
    const made = tx.sessions.insert(row, meta);
    tx.attempts.update(attempt.id, { sessionId: row.id }, meta);
    tx.agents.update(attempt.agent, { sessionId: row.id }, meta);
    return made;
  });
}
