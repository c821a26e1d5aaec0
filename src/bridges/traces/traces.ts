import { z } from 'zod';
import type { Fact, FactKind } from '../../contract/fact.ts';
import type { SessionId } from '../../contract/ids.ts';
import type { Session } from '../../contract/session.ts';
import { post } from '../post.ts';
import type { Delivery, Facts, Projection } from '../projection.ts';
import { rowSpan, type Span, turnSpans } from './spans.ts';

export type TraceSettings = {
  /** Where spans are posted to, whole: `…/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** Why spans cannot be sent as it is configured. */
  readonly problem: string | null;
};

export type TraceWorld = {
  readonly journal: Facts;
  readonly session: (id: string) => Session | null;
  readonly now: () => number;
  readonly version: string;
};

const TURN_KINDS = ['turn.started', 'tool.started', 'tool.ended', 'turn.ended'] as const satisfies readonly FactKind[];
const KINDS: readonly FactKind[] = ['request.changed', 'task.changed', 'attempt.changed', 'turn.started', 'turn.ended'];
/** Spans that nobody took for so long are dropped. */
const USE_BY_MS = 3_600_000;
const PAGE = 500;
/** What a collector may take later, by OTLP: every other refusal is for good. */
const LATER = new Set([408, 429, 502, 503, 504]);

/** Either a span that is known, or where the facts of a turn are. */
const Payload = z.union([
  z.object({ span: z.custom<Span>() }),
  z.object({ sessionId: z.string(), after: z.number(), seq: z.number() }),
]);

/**
 * Spans of OpenTelemetry: request → task → attempt → turn → tool, made from facts when a thing has ended and posted as
 * OTLP/HTTP with JSON. Ids follow from Gantry's own, so that a span told twice is the same span.
 */
export function traces(settings: TraceSettings, world: TraceWorld): Projection {
  /** Position of the turn that runs, by session: the facts before it need not be read. */
  const begun = new Map<string, number>();
  const url = new URL(settings.url);
  return {
    name: 'traces',
    target: url.origin,
    problem: settings.problem,
    kinds: KINDS,
    project: (fact) => {
      const { sessionId } = fact;
      if (fact.kind === 'turn.started') {
        if (sessionId !== null) begun.set(sessionId, fact.seq);
        return [];
      }
      const entry = { key: String(fact.seq), expiresAt: fact.at + USE_BY_MS };
      if (fact.kind === 'turn.ended') {
        if (sessionId === null) return [];
        const after = (begun.get(sessionId) ?? 1) - 1;
        begun.delete(sessionId);
        return [{ ...entry, payload: { sessionId, after, seq: fact.seq } }];
      }
      const span = rowSpan(fact);
      return span === null ? [] : [{ ...entry, payload: { span } }];
    },
    deliver: async ({ payload }, signal) => {
      const given = Payload.parse(payload);
      const spans = 'span' in given ? [given.span] : spansOfTurn(given, world);
      if (spans.length === 0) return { type: 'done' };
      const headers = { ...settings.headers, 'Content-Type': 'application/json' };
      const body = JSON.stringify(envelope(spans, settings.serviceName, world.version));
      const { status, retryAfterMs } = await post(url, body, {
        ...{ headers, isPrivateAllowed: true, now: world.now, signal },
      });
      return outcomeOf(status, retryAfterMs);
    },
  };
}

function spansOfTurn({ sessionId, after, seq }: { sessionId: string; after: number; seq: number }, world: TraceWorld) {
  const facts: Fact[] = [];
  let cursor = after;
  while (cursor < seq) {
    const filter = { sessionId: sessionId as SessionId, kinds: TURN_KINDS };
    const page = world.journal.since(cursor, { ...filter, limit: PAGE });
    facts.push(...page.facts.filter((fact) => fact.seq <= seq));
    if (page.next === cursor) break;
    cursor = page.next;
  }
  const ended = facts.at(-1);
  // Facts that retention has removed make no span.
  return ended?.kind === 'turn.ended' ? turnSpans(facts, ended, world.session(sessionId)) : [];
}

const envelope = (spans: readonly Span[], serviceName: string, version: string): object => {
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  return {
    resourceSpans: [
      {
        resource: { attributes: [text('service.name', serviceName), text('service.version', version)] },
        scopeSpans: [{ scope: { name: 'gantry', version }, spans }],
      },
    ],
  };
};

function outcomeOf(status: number, retryAfterMs: number | undefined): Delivery {
  if (status >= 200 && status < 300) return { type: 'done' };
  const error = `HTTP ${status}`;
  if (!LATER.has(status)) return { type: 'refused', error };
  return { type: 'retry', error, ...(retryAfterMs !== undefined && { afterMs: retryAfterMs }) };
}
