import { spanIdOf, traceIdOf } from '../../base/trace.ts';
import { type Attempt, isAttemptLive } from '../../contract/attempt.ts';
import type { Fact } from '../../contract/fact.ts';
import { isRequestOver } from '../../contract/request.ts';
import type { Session } from '../../contract/session.ts';
import { isTaskOver } from '../../contract/task.ts';
import {
  type Attributes,
  attemptSpan,
  type Described,
  requestSpan,
  taskSpan,
  toolSpan,
  turnSpan,
} from './attributes.ts';

/** A span as OTLP has it in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
export type Span = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: 1;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly object[];
  readonly status: { readonly code: 0 | 1 | 2 };
};

type Place = { readonly trace: string; readonly self: string; readonly parent: string | null };
type Times = { readonly start: number; readonly end: number };

function span(place: Place, { start, end }: Times, isGood: boolean, { name, attributes }: Described): Span {
  return {
    traceId: traceIdOf(place.trace),
    spanId: spanIdOf(place.self),
    ...(place.parent !== null && { parentSpanId: spanIdOf(place.parent) }),
    name,
    kind: 1,
    startTimeUnixNano: nanos(start),
    endTimeUnixNano: nanos(Math.max(start, end)),
    attributes: encoded(attributes),
    status: { code: isGood ? 1 : 2 },
  };
}

/** 64-bit numbers are texts in JSON. */
const nanos = (ms: number): string => `${Math.round(ms)}000000`;

const encoded = (attributes: Attributes): object[] =>
  Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: typed(value) }]));

function typed(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** The span of what ended with this fact; null if it tells of no end. */
export function rowSpan(fact: Fact): Span | null {
  switch (fact.kind) {
    case 'request.changed': {
      const { from, row } = fact.data;
      if (from === row.state || !isRequestOver(row.state)) return null;
      const times = { start: row.createdAt, end: row.endedAt ?? fact.at };
      return span({ trace: row.id, self: row.id, parent: null }, times, row.state === 'done', requestSpan(row));
    }
    case 'task.changed': {
      const { from, row } = fact.data;
      if (from === row.state || !isTaskOver(row.state)) return null;
      const times = { start: row.createdAt, end: row.endedAt ?? fact.at };
      const place = { trace: row.requestId, self: row.id, parent: row.requestId };
      return span(place, times, row.state === 'done', taskSpan(row));
    }
    case 'attempt.changed': {
      const { from, row } = fact.data;
      return from === row.state || isAttemptLive(row.state) ? null : spanOfAttempt(row, fact.at);
    }
    default:
      return null;
  }
}

const spanOfAttempt = (row: Attempt, at: number): Span =>
  span(
    { trace: row.requestId, self: row.id, parent: row.taskId },
    { start: row.createdAt, end: row.endedAt ?? at },
    row.state === 'done',
    attemptSpan(row),
  );

type TurnEnded = Extract<Fact, { kind: 'turn.ended' }>;

/** The spans of a turn and of its tools, from the facts of its session up to its end. */
export function turnSpans(facts: readonly Fact[], ended: TurnEnded, session: Session | null): readonly Span[] {
  const begin = facts.findLastIndex((one) => one.kind === 'turn.started' && one.data.promptId === ended.data.promptId);
  const own = facts.slice(Math.max(0, begin));
  const { promptId, outcome, usage, failure } = ended.data;
  const trace = ended.requestId ?? ended.sessionId ?? promptId;
  const parent = ended.attemptId ?? ended.requestId;
  const self = `${promptId} ${ended.seq}`;
  const times = { start: own[0]?.at ?? ended.at, end: ended.at };
  const described = turnSpan(session, outcome, usage, failure?.class ?? null);
  const turn = span({ trace, self, parent }, times, outcome === 'done', described);
  const tools = own.flatMap((one) => {
    if (one.kind !== 'tool.started') return [];
    const { callId, tool } = one.data;
    const end = own.find((other) => other.kind === 'tool.ended' && other.data.callId === callId);
    const status = end?.kind === 'tool.ended' ? end.data.status : null;
    const place = { trace, self: `${self} ${callId}`, parent: self };
    return [
      span(place, { start: one.at, end: end?.at ?? ended.at }, status === 'completed', toolSpan(tool, callId, status)),
    ];
  });
  return [turn, ...tools];
}
