import { FACT_KINDS, type Fact, type FactKind } from '../../contract/fact.ts';
import type { Form } from './form.ts';

/** Told unless the configuration says which: what people wait for. */
const DEFAULT_KINDS: readonly FactKind[] = [
  'request.changed',
  'task.changed',
  'approval.changed',
  'alert.opened',
  'alert.closed',
];
const MAX_BODY_LENGTH = 256_000;

/** Facts as they are: `{type, timestamp, data}` as Standard Webhooks proposes, `data` is the fact. */
export function gantryForm(wanted: readonly string[] | undefined, useByMs: number): Form {
  return {
    kinds: wanted === undefined ? DEFAULT_KINDS : FACT_KINDS.filter((kind) => wanted.includes(kind)),
    entries: (fact) => [
      { key: String(fact.seq), lane: laneOf(fact), payload: bodyOf(fact), expiresAt: fact.at + useByMs },
    ],
    id: ({ key }) => key,
    body: (payload) => payload,
  };
}

/** What belongs to one request, or to one session outside of a request, keeps its order. */
export const laneOf = ({ requestId, sessionId }: Fact): string => requestId ?? sessionId ?? 'daemon';

/** A fact that is too large goes without its data; it can be had by its position. */
function bodyOf(fact: Fact): object {
  const body = { type: fact.kind, timestamp: new Date(fact.at).toISOString(), data: fact };
  return JSON.stringify(body).length <= MAX_BODY_LENGTH
    ? body
    : { ...body, data: { ...fact, data: null, isTruncated: true } };
}
