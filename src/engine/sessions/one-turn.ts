import { z } from 'zod';
import type { EndReason } from '../../backends/backend.ts';
import { newId } from '../../base/ids.ts';
import { within } from '../../base/wait.ts';
import { StoredPrompt } from '../../contract/attempt.ts';
import { AppError } from '../../contract/errors.ts';
import { FACTS, type FactSubject } from '../../contract/fact.ts';
import type { BackendId, SessionId } from '../../contract/ids.ts';
import { isSessionOver, type Session } from '../../contract/session.ts';
import { addUsage, type Usage } from '../../contract/usage.ts';
import type { Transaction } from '../../store/store.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { spendToday } from '../budget/spent-today.ts';
import type { Parts } from '../parts.ts';
import { requireModel } from '../planning/model-filter.ts';
import { profileFor } from '../policy/policy.ts';
import type { LiveSession } from './session.ts';
import { openSession } from './session-open.ts';
import { freshSession, reopened } from './session-row.ts';
import type { TurnEnd, TurnResult } from './session-turns.ts';

export type OneTurnSpec = {
  readonly purpose: 'planner' | 'exec';
  readonly backend: BackendId;
  readonly model: string | null;
  readonly directory: string;
  readonly project: { readonly id: string; readonly path: string; readonly isTrusted: boolean };
  readonly title: string;
  readonly text: string;
  readonly resume: string | null;
  readonly subject: Partial<FactSubject>;
};

const GRACE_MS = 5_000;
const TURN_IS_OVER = 'the turn is over';
/** Removed by the store's retention some time after the session's end. */
const keyOf = (id: SessionId): string => `turn:${id}`;

/** What is known of a session's one turn: kept until it is asked for, over any crash. */
const StoredTurn = z.object({ prompt: StoredPrompt, end: FACTS['turn.ended'].nullable() });

/**
 * Writes a one-prompt session down before anything is started: the same prompt is found again after a crash. `note` is
 * written in the same transaction.
 */
export function prepareTurn(parts: Parts, spec: OneTurnSpec, note?: (tx: Transaction, id: SessionId) => void): Session {
  requireModel(spec.model, parts.settingsFor(spec.directory));
  const now = parts.clock.now();
  const backend = parts.backends.get(spec.backend);
  if (!backend)
    throw new AppError(
      'backend_unknown',
      `no backend ${spec.backend}; known: ${[...parts.backends.keys()].join(', ')}`,
    );
  const { purpose, model, directory, resume } = spec;
  const place = { backend: spec.backend, model, directory, nativeId: resume };
  const row = freshSession(parts, { ...place, purpose, attemptId: null, agent: null });
  const prompt: StoredPrompt = {
    id: newId('prm', now),
    kind: 'task',
    text: spec.text,
    state: 'stored',
    native: { ...backend.promptIds() },
  };
  parts.store.commit((tx) => {
    tx.sessions.insert(row, { actor: 'gantry', cause: spec.title, subject: spec.subject });
    tx.meta.set(keyOf(row.id), JSON.stringify({ prompt, end: null }));
    note?.(tx, row.id);
  });
  return row;
}

/** Why a turn is told to stop, as the reason of its signal: `shutdown` leaves it to the next daemon. */
export type TurnStop = 'cancelled' | 'shutdown';

/** How often a turn is taken up again after its agent program died under it. */
const MAX_DEATHS = 2;

/** Whether `runTurn` can still give the turn: it goes on, or its end is known. */
export const isTurnAtHand = (parts: Parts, id: SessionId): boolean =>
  !isSessionOver(parts.store.read.sessions.need(id).state) ||
  (parts.store.read.meta.get(keyOf(id)) !== null && storedTurn(parts, id).end !== null);

const storedTurn = (parts: Parts, id: SessionId): z.infer<typeof StoredTurn> =>
  StoredTurn.parse(JSON.parse(parts.store.read.meta.get(keyOf(id)) ?? 'null'));

/**
 * Carries a prepared turn through, also one that an earlier daemon began; one that is over already is not asked again.
 * @throws AppError of the backend, `timeout`, `cancelled`; a failed turn is a value (`outcome`).
 */
export async function runTurn(
  parts: Parts,
  approvals: Approvals,
  id: SessionId,
  spec: OneTurnSpec,
  limit: { readonly ms: number; readonly signal: AbortSignal },
): Promise<TurnEnd> {
  const { prompt, end } = storedTurn(parts, id);
  if (end) {
    closeRow(parts, id, spec);
    return { type: 'turn-ended', ...end };
  }
  for (let deaths = 0; ; deaths += 1) {
    const live = await openTurn(parts, approvals, id, spec, limit);
    let result: TurnResult | null = null;
    try {
      result = await answered(live, prompt, limit);
      // Durable before the session is let go: a kill in between must not ask for it again.
      if (result.type === 'turn') keepEnd(parts, id, spec, prompt, result.turn);
    } finally {
      await leave(live, limit.signal, result);
      if (isCut(result, deaths, limit.signal)) keepCut(parts, id, spec, live.usedBy(prompt.id));
    }
    if (result.type === 'turn') return result.turn;
    const { reason } = result;
    if (isLast(reason, deaths)) {
      throw new AppError('backend_failed', reason.type === 'died' ? reason.failure.message : 'the session was closed');
    }
  }
}

function keepEnd(parts: Parts, id: SessionId, spec: OneTurnSpec, prompt: StoredPrompt, end: TurnEnd): void {
  parts.store.commit((tx) => {
    spend(parts, tx, id, spec, end.usage);
    tx.meta.set(keyOf(id), JSON.stringify({ prompt, end }));
  });
}

function spend({ clock }: Parts, tx: Transaction, id: SessionId, { subject, purpose }: OneTurnSpec, used: Usage): void {
  const usage = addUsage(tx.sessions.need(id).usage, used);
  tx.sessions.update(id, { usage }, { actor: 'gantry', subject });
  spendToday(tx, clock.now(), { projectId: subject.projectId ?? null, role: purpose, usage: used });
}

const isLast = ({ type }: EndReason, deaths: number): boolean => deaths >= MAX_DEATHS || type === 'closed';

/** Whether nobody takes it up again. */
function isCut(result: TurnResult | null, deaths: number, signal: AbortSignal): boolean {
  if (result === null) return !isShutdown(signal);
  return result.type === 'ended' && isLast(result.reason, deaths);
}

/** A turn without an end, which nobody takes up again: what it used was spent. */
function keepCut(parts: Parts, id: SessionId, spec: OneTurnSpec, used: Usage | null): void {
  if (used !== null) parts.store.commit((tx) => spend(parts, tx, id, spec, used));
}

/** The daemon was killed between the turn's end and the session's. */
function closeRow(parts: Parts, id: SessionId, { subject }: OneTurnSpec): void {
  const { state } = parts.store.read.sessions.need(id);
  if (isSessionOver(state)) return;
  const patch = { activity: 'unknown', cause: TURN_IS_OVER, endedAt: parts.clock.now() } as const;
  parts.store.commit((tx) =>
    tx.sessions.move(id, state, 'stopped', patch, { actor: 'gantry', cause: TURN_IS_OVER, subject }),
  );
}

async function openTurn(
  parts: Parts,
  approvals: Approvals,
  id: SessionId,
  spec: OneTurnSpec,
  limit: { readonly ms: number; readonly signal: AbortSignal },
): Promise<LiveSession> {
  const row = reopened(parts, id, spec.subject);
  const settings = parts.settingsFor(spec.project.path);
  return openSession(
    parts,
    approvals,
    row,
    {
      attemptId: null,
      title: spec.title,
      directory: spec.directory,
      project: spec.project,
      profile: profileFor(settings.roles[settings.defaultRole] ?? {}),
      model: spec.model,
      env: {},
      mcp: {},
      instructions: null,
      from: row.nativeId === null ? { type: 'new' } : { type: 'resume', nativeId: row.nativeId },
      limitMs: limit.ms,
      signal: limit.signal,
    },
    spec.subject,
  );
}

async function answered(
  live: LiveSession,
  prompt: StoredPrompt,
  limit: { ms: number; signal: AbortSignal },
): Promise<TurnResult> {
  const receipt = await live.prompt(prompt, 'next-turn');
  if (receipt.type === 'refused') throw new AppError('backend_refused', receipt.failure.message);
  return within(Promise.race([live.turnEnd(prompt.id), stopOn(limit.signal)]), limit.ms, () => {
    return new AppError('timeout', `no answer within ${Math.round(limit.ms / 1000)} s`);
  });
}

/** A daemon that stops leaves the session as it is; a death leaves it for the next try; else it is over. */
async function leave(live: LiveSession, signal: AbortSignal, result: TurnResult | null): Promise<void> {
  if (isShutdown(signal)) return;
  if (result?.type === 'ended' && result.reason.type === 'died') {
    await live.close(GRACE_MS, 'paused', 'its program died');
    return;
  }
  await live.close(GRACE_MS, 'stopped', TURN_IS_OVER);
}

const isShutdown = (signal: AbortSignal): boolean => signal.aborted && (signal.reason as TurnStop) === 'shutdown';

async function stopOn(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
  throw signal.reason instanceof AppError ? signal.reason : new AppError('cancelled', 'it was cancelled');
}
