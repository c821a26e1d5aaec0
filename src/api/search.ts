import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Fact } from '../contract/fact.ts';
import type { FoundFact } from '../contract/search-operations.ts';
import type { JournalReader } from './fact-pages.ts';

type Names = readonly string[] | undefined;

/** The full-text index: positions of facts that hold all of the words, and one of the names in each field. */
export type FactSearch = {
  /** Null: the index cannot tell, as nothing that is asked for is in it. */
  readonly find: (
    query: {
      readonly q?: string | undefined;
      readonly among?: {
        readonly [C in 'source' | 'session' | 'type' | 'project' | 'task' | 'agent']?: Names;
      };
    },
    range: {
      readonly after?: number | undefined;
      readonly before?: number | undefined;
      readonly limit: number;
      readonly order?: 'newest' | 'oldest';
    },
  ) => Promise<{ readonly seqs: readonly number[]; readonly cursor: number } | null>;
};

type Input = ParsedInputOf<'facts.search'>;

const PAGE = 200;
/** How many pages of the index one call looks through for facts that are also of the right kind, session, … */
const MAX_PAGES = 25;
const AROUND = 80;

/** Facts that hold the words and are what else is asked for; a short page with a cursor goes on from there. */
export async function searchFacts(
  journal: JournalReader,
  search: FactSearch,
  input: Input,
): Promise<OutputOf<'facts.search'>> {
  const items: FoundFact[] = [];
  const words = wordsIn(input.q);
  const { q, source, session, type, projectId, taskId, agent } = input;
  const one = (name: string | undefined): Names => (name === undefined ? undefined : [name]);
  const among = { source, session, type, project: one(projectId), task: one(taskId), agent: one(agent) };
  let { before } = input;
  let indexedTo = 0;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const found = await search.find({ q, among }, { before, limit: PAGE });
    const seqs = found?.seqs ?? [];
    indexedTo = found?.cursor ?? 0;
    for (const seq of seqs) {
      before = seq;
      // What retention has removed since is in the index no longer than until it is built anew.
      const fact = journal.since(seq - 1, { limit: 1 }).facts[0];
      if (fact?.seq !== seq || !isWanted(fact, input)) continue;
      items.push({ fact, ...snippetOf(JSON.stringify(fact.data), words) });
      if (items.length === input.limit) return { items, nextCursor: seq, indexedTo };
    }
    if (seqs.length < PAGE) return { items, nextCursor: null, indexedTo };
  }
  return { items, nextCursor: before ?? null, indexedTo };
}

const SUBJECTS = ['requestId', 'taskId', 'sessionId', 'projectId', 'agent'] as const;

function isWanted(fact: Fact, input: Input): boolean {
  const isOneOf = (names: readonly string[] | undefined, name: string | null): boolean =>
    names === undefined || (name !== null && names.includes(name));
  const event = fact.kind === 'observed' ? fact.data : null;
  return (
    isOneOf(input.kind, fact.kind) &&
    isOneOf(input.actor, fact.actor) &&
    isOneOf(input.type, event?.hook_event_type ?? null) &&
    isOneOf(input.source, event?.source_app ?? null) &&
    isOneOf(input.session, event?.session_id ?? null) &&
    SUBJECTS.every((name) => input[name] === undefined || fact[name] === input[name]) &&
    (input.from === undefined || fact.at >= input.from) &&
    (input.to === undefined || fact.at < input.to)
  );
}

/** The words of a query as they are to be marked. */
const wordsIn = (query: string): readonly string[] =>
  [...query.matchAll(/(?:[A-Za-z_]+:)?(?:"([^"]*)"|([^\s"]+))/gu)]
    .map(([, phrase, word = '']) => (phrase ?? word.replace(/\*$/, '')).toLowerCase())
    .filter((word) => word !== '');

function snippetOf(text: string, words: readonly string[]): Pick<FoundFact, 'snippet' | 'marks'> {
  const lower = text.toLowerCase();
  const first = words.map((word) => lower.indexOf(word)).filter((at) => at >= 0);
  const start = Math.max(0, Math.min(...first, text.length) - AROUND);
  const snippet = text.slice(start, start + 4 * AROUND);
  const inside = snippet.toLowerCase();
  const marks = words.flatMap((word): [number, number][] => {
    const at = inside.indexOf(word);
    return at < 0 ? [] : [[at, at + word.length]];
  });
  return { snippet, marks };
}
