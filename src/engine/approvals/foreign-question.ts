import type { Approval, ApprovalSubject, Decision, ForeignQuestion, PolicyVerdict } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { HumanInTheLoop, HumanInTheLoopStatus } from '../../contract/event.ts';
import type { ApprovalId, TokenId } from '../../contract/ids.ts';
import type { Parts } from '../parts.ts';
import { decide } from '../policy/policy.ts';
import { inParts } from './approval-answers.ts';
import { pendingApproval } from './approval-row.ts';

/** What the person said, in the words of the wire. */
export type Answer = {
  readonly response?: string;
  readonly permission?: boolean;
  /** Why not. */
  readonly reason?: string;
  readonly choice?: string;
};

/** What an event asks, as a question of the one inbox. */
export function foreignApproval(
  hitl: HumanInTheLoop,
  event: {
    readonly id: ApprovalId;
    readonly source: string;
    readonly session: string;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly tokenId: TokenId | null;
    readonly seq: number;
  },
  { now, limitMs }: { readonly now: number; readonly limitMs: number },
): Approval {
  const { id, source, session, payload, tokenId, seq } = event;
  const asked = {
    id,
    subject: subjectOf(hitl, source, payload),
    sessionId: null,
    attemptId: null,
    taskId: null,
    requestId: null,
    agent: null,
    backend: 'foreign',
    project: source,
    nativeId: `event:${seq}`,
    isFromChild: false,
    cause: hitl.question,
    foreign: {
      eventId: seq,
      source,
      session,
      kind: hitl.type,
      address: hitl.responseWebSocketUrl || null,
      tokenId,
      delivery: null,
      respondedAt: null,
      reason: null,
    },
  };
  return pendingApproval(asked, now, hitl.timeout ? hitl.timeout * 1_000 : limitMs);
}

function subjectOf(hitl: HumanInTheLoop, source: string, payload: Readonly<Record<string, unknown>>): ApprovalSubject {
  if (hitl.type === 'permission') {
    const command = commandOf(payload);
    const tool = [payload.tool_name, payload.permission_type].find((name) => typeof name === 'string') ?? 'permission';
    const call = { tool: String(tool).toLowerCase(), patterns: [command ?? hitl.question], command, diff: null };
    return inParts({ type: 'permission', call });
  }
  const options = hitl.type === 'choice' ? (hitl.choices ?? []).map((label) => ({ label, description: '' })) : [];
  const directory = hitl.directory === undefined ? {} : { directory: hitl.directory };
  const question = { question: hitl.question, header: source, options, isMultiple: false, ...directory };
  return { type: 'question', questions: [{ ...question, isFreeText: hitl.type === 'question' }] };
}

function commandOf({ tool_input: input }: Readonly<Record<string, unknown>>): string | null {
  const command = typeof input === 'object' && input !== null && 'command' in input ? input.command : null;
  return typeof command === 'string' ? command : null;
}

/** The policy's word on the command of an outside program; a question without a command is a person's. */
export function foreignVerdict({ subject }: Approval, { settingsFor, clock }: Pick<Parts, 'settingsFor' | 'clock'>) {
  if (subject.type !== 'permission' || subject.call.command === null) return null;
  const settings = settingsFor(null);
  const input = { call: subject.call, role: settings.defaultRole, isReadOnly: false, backend: 'foreign' };
  const verdict: PolicyVerdict = decide(input, settings.policy, [], clock.now());
  return verdict.action === 'ask' ? null : verdict;
}

/** How far an event's question has come, in the words of the wire. */
export function statusOf(
  approval: Approval & { readonly foreign?: ForeignQuestion | undefined },
): HumanInTheLoopStatus {
  const { state, foreign, decision, decidedBy, cause } = approval;
  if (state === 'pending' || !foreign) return { status: 'pending' };
  const reason = foreign.reason ?? cause ?? undefined;
  if (state === 'expired') return { status: 'timeout', ...(reason && { reason }) };
  const answer = decision && answerOf(foreign, decision);
  if (!answer) return { status: 'error', ...(reason && { reason }) };
  const respondedAt = foreign.respondedAt ?? approval.updatedAt;
  return {
    status: foreign.delivery === 'failed' ? 'error' : 'responded',
    respondedAt,
    response: { ...answer, respondedAt, respondedBy: decidedBy },
    ...(foreign.delivery && { delivery: foreign.delivery }),
    ...(foreign.delivery === 'failed' && reason && { reason }),
  };
}

/** What a decision says to the program that asked; null if it is no answer to what was asked. */
export function answerOf({ kind }: ForeignQuestion, decision: Decision): Answer | null {
  if (kind === 'permission') {
    return decision.type === 'deny' ? { permission: false, reason: decision.reason } : { permission: true };
  }
  if (decision.type !== 'answer') return null;
  const text = decision.answers[0]?.[0] ?? '';
  return kind === 'choice' ? { choice: text } : { response: text };
}

/**
 * The decision that an answer makes.
 * @throws AppError bad_request if it does not fit what was asked
 */
export function decisionOf({ kind }: ForeignQuestion, given: Readonly<Record<string, unknown>>): Decision {
  if (kind === 'permission') {
    if (typeof given.permission !== 'boolean') throw misfit('permission', 'true or false');
    return given.permission
      ? { type: 'allow', scope: 'once', expiresAt: null }
      : { type: 'deny', reason: 'a person refused it' };
  }
  const name = kind === 'choice' ? 'choice' : 'response';
  const text = given[name];
  if (typeof text !== 'string' || text.trim() === '' || text.length > 10_000) {
    throw misfit(name, kind === 'choice' ? 'one of the choices' : 'a text of 1 to 10,000 characters');
  }
  return { type: 'answer', answers: [[text]] };
}

const misfit = (name: string, accepted: string): AppError =>
  new AppError('bad_request', `${name}: expected ${accepted}`, {
    details: { issues: [{ path: name, message: accepted }] },
  });
