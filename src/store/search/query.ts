import { AppError } from '../../contract/errors.ts';
import { COLUMNS, type Column } from './text.ts';

const TERM = /(?:([A-Za-z_]+):)?(?:"([^"]*)"|([^\s"]+))/gu;
const MAX_QUERY = 1_000;

/** What is looked for: a person's words, and names of which one must be in that field. */
export type SearchQuery = {
  readonly q?: string | undefined;
  readonly among?: { readonly [C in Column]?: readonly string[] | undefined };
};

/**
 * An expression of FTS5 for both; null if nothing of it is in the index. What has a name is found, and also what has
 * a longer one: the caller looks again.
 * @throws AppError bad_request for words that say nothing
 */
export function expressionOf({ q, among = {} }: SearchQuery): string | null {
  const ofNames = Object.entries(among).flatMap(([column, names = []]) => {
    if (names.length === 0 || !names.every(isIndexed)) return [];
    return [`${column} : (${names.map(quoted).join(' OR ')})`];
  });
  const terms = q === undefined ? ofNames : [`(${matchOf(q)})`, ...ofNames];
  return terms.length === 0 ? null : terms.join(' AND ');
}

/** Signs only are in no index. */
const isIndexed = (text: string): boolean => /[\p{L}\p{N}]/u.test(text);

/** An expression ends at a zero. */
const quoted = (text: string): string => `"${text.replaceAll('"', '""').replaceAll('\0', ' ')}"`;

/**
 * An expression of FTS5 for what a person wrote: words, "phrases", beginnings*, field:value; all must be found.
 * @throws AppError bad_request, naming the fields there are
 */
export function matchOf(query: string): string {
  if (query.length > MAX_QUERY) throw new AppError('bad_request', `q: at most ${MAX_QUERY} characters`);
  const terms = [...query.matchAll(TERM)].flatMap(([, field, phrase, word = '']) => {
    if (field !== undefined && !(COLUMNS as readonly string[]).includes(field)) {
      const message = `q: there is no field "${field}": ${COLUMNS.join(', ')}; a text with a colon goes in quotes`;
      throw new AppError('bad_request', message);
    }
    const isBeginning = phrase === undefined && word.endsWith('*');
    const text = phrase ?? (isBeginning ? word.slice(0, -1) : word);
    if (!isIndexed(text)) return [];
    return [`${field === undefined ? '' : `${field} : `}${quoted(text)}${isBeginning ? ' *' : ''}`];
  });
  if (terms.length === 0)
    throw new AppError('bad_request', 'q: expected a word, a "phrase", a beginning* or field:value');
  return terms.join(' AND ');
}
