import type { Client } from '../client/client.ts';
import type { InputOf } from '../contract/api.ts';
import type { Fact } from '../contract/fact.ts';
import { onInterrupt } from './keys.ts';

/** Which part of the journal: all that is named must hold. */
export type FactQuery = Pick<InputOf<'facts.list'>, 'kind' | 'actor' | 'source' | 'requestId' | 'taskId' | 'sessionId'>;

const PAGE = 1_000;

/** Everything that is kept of the journal and that the query asks for, oldest first, and the position to go on from. */
export async function factsUntilNow(
  client: Client,
  query: FactQuery,
): Promise<{ readonly facts: Fact[]; readonly next: number }> {
  const facts: Fact[] = [];
  const { next: head } = await client.call('facts.list', { recent: 1 });
  let next = 0;
  // A page may be short because its facts are long, and meanwhile others may go on and on.
  do {
    const page = await client.call('facts.list', { ...query, since: next, kept: 'true', limit: PAGE });
    facts.push(...page.items);
    next = page.next;
  } while (next < head);
  return { facts, next };
}

/** Hands over what comes after a position, until Ctrl-C. */
export async function followFacts(
  client: Client,
  query: FactQuery & { readonly since: number },
  print: (fact: Fact) => void,
): Promise<number> {
  const abort = new AbortController();
  const stop = onInterrupt(() => abort.abort());
  try {
    for await (const fact of client.facts({ ...query, signal: abort.signal })) print(fact);
  } finally {
    stop();
  }
  return 0;
}
