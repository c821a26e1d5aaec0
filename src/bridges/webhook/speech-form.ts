import { z } from 'zod';
import type { Fact } from '../../contract/fact.ts';
import { SPEECH_KINDS, SpeechKind, type WebhookSettings } from '../../contract/webhook.ts';
import type { Entry, Item } from '../projection.ts';
import type { Form, Names } from './form.ts';
import { SPOKEN_FACTS, type SpeechEvent, speechEvent, wordsOf } from './speech-events.ts';

/** These cannot wait: somebody's answer is needed. */
const URGENT: ReadonlySet<SpeechKind> = new Set(['approval', 'question', 'budget']);
const MAX_SAY_LENGTH = 200;

/** What waits to be spoken: one event as it is, or several of them summed up. */
const Spoken = z.object({
  say: z.string(),
  kind: SpeechKind,
  urgency: z.enum(['urgent', 'normal']),
  project: z.string().nullable(),
  agent: z.string().nullable(),
  counts: z.partialRecord(SpeechKind, z.number()),
  /** Position of its first fact: what it is known by. */
  seq: z.number(),
});
type Spoken = z.infer<typeof Spoken>;

/**
 * Short sentences to be spoken: `{say, lang, urgency, project, agent, url, kind}`. What is urgent is told at once, ahead
 * of the rest; the rest is gathered by agent and told as one sum. Nothing is told after its time of use.
 */
export function speechForm(
  settings: Pick<WebhookSettings, 'kinds' | 'gather' | 'lang' | 'quiet'>,
  useByMs: number,
  { names, url }: { readonly names: Names; readonly url: () => string },
): Form {
  const wanted = new Set<string>(settings.kinds ?? SPEECH_KINDS);
  const gatherMs = settings.gather ?? 10_000;
  return {
    kinds: SPOKEN_FACTS,
    entries: (fact, waiting) => {
      const project = names.project(fact.projectId) ?? fact.agent?.split('/')[0] ?? null;
      const event = speechEvent(fact, project);
      if (event === null || !wanted.has(event.kind) || isQuiet(settings.quiet, fact.at)) return [];
      const expiresAt = fact.at + useByMs;
      if (URGENT.has(event.kind)) return [urgentEntry(fact, spoken(event, project, fact.seq), expiresAt)];
      return [sumEntry(fact, spoken(event, project, fact.seq), { gatherMs, expiresAt, waiting })];
    },
    isOwn: (payload) => Spoken.safeParse(payload).success,
    id: ({ payload }) => `speech-${Spoken.parse(payload).seq}`,
    body: (payload) => {
      const { say, kind, urgency, project, agent } = Spoken.parse(payload);
      return { say, lang: settings.lang ?? 'en', urgency, project, agent, url: url(), kind };
    },
  };
}

const spoken = ({ kind, say, agent }: SpeechEvent, project: string | null, seq: number): Spoken => ({
  say: say.slice(0, MAX_SAY_LENGTH),
  kind,
  urgency: URGENT.has(kind) ? 'urgent' : 'normal',
  project,
  agent,
  counts: { [kind]: 1 },
  seq,
});

const speaker = ({ agent, project }: Spoken): string => agent ?? project ?? 'gantry';

const urgentEntry = (fact: Fact, payload: Spoken, expiresAt: number): Entry => ({
  key: `urgent.${fact.seq}`,
  lane: `urgent.${speaker(payload)}`,
  payload,
  expiresAt,
});

/**
 * Waits until its stretch of time is over and takes in what else happens until then. What comes while a sum is already
 * on its way begins the next one.
 */
function sumEntry(
  fact: Fact,
  payload: Spoken,
  { gatherMs, expiresAt, waiting }: { gatherMs: number; expiresAt: number; waiting: (key: string) => Item | null },
): Entry {
  const lane = `sum.${speaker(payload)}`;
  const first = waiting(lane);
  const isOpen = first === null || (first.tries === 0 && first.notBefore > fact.at);
  const key = isOpen ? lane : `${lane}.next`;
  const before = isOpen ? first : waiting(key);
  if (before === null) return { key, lane, payload, notBefore: fact.at + gatherMs, expiresAt };
  const { notBefore, expiresAt: usedBy } = before;
  return { key, lane, payload: added(Spoken.parse(before.payload), payload), notBefore, expiresAt: usedBy };
}

function added(before: Spoken, one: Spoken): Spoken {
  const counts = { ...before.counts };
  for (const kind of SPEECH_KINDS) {
    const sum = (before.counts[kind] ?? 0) + (one.counts[kind] ?? 0);
    if (sum > 0) counts[kind] = sum;
  }
  const kind = before.kind === 'failed' ? 'failed' : one.kind;
  const parts = SPEECH_KINDS.flatMap((k) => (counts[k] === undefined ? [] : SUMS[k](counts[k])));
  const where = before.project === null ? '' : ` in ${wordsOf(before.project, 'a project')}`;
  return { ...before, counts, kind, say: `${parts.join(', ')}${where}.`.slice(0, MAX_SAY_LENGTH) };
}

const number = (n: number, one: string, many: string): string => (n === 1 ? `one ${one}` : `${n} ${many}`);
const SUMS: Readonly<Record<SpeechKind, (n: number) => string>> = {
  approval: (n) => number(n, 'permission is asked for', 'permissions are asked for'),
  question: (n) => number(n, 'question is open', 'questions are open'),
  done: (n) => number(n, 'request is done', 'requests are done'),
  failed: (n) => number(n, 'request has failed', 'requests have failed'),
  budget: (n) => number(n, 'budget is used up', 'budgets are used up'),
  idle: (n) => (n === 1 ? 'idle once' : `idle ${n} times`),
};

/** By this machine's clock; a span may go over midnight. */
export function isQuiet(quiet: WebhookSettings['quiet'], at: number): boolean {
  if (quiet === undefined) return false;
  const date = new Date(at);
  const now = `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
  const { from, to } = quiet;
  return from <= to ? from <= now && now < to : now >= from || now < to;
}
