import { AppError } from '../../contract/errors.ts';
import { COLUMNS } from './text.ts';

const TERM = /(?:([A-Za-z_]+):)?(?:"([^"]*)"|([^\s"]+))/gu;
const MAX_QUERY = 1_000;

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
    // Signs only are in no index.
    if (!/[\p{L}\p{N}]/u.test(text)) return [];
    return [`${field === undefined ? '' : `${field} : `}"${text.replaceAll('"', '""')}"${isBeginning ? ' *' : ''}`];
  });
  if (terms.length === 0)
    throw new AppError('bad_request', 'q: expected a word, a "phrase", a beginning* or field:value');
  return terms.join(' AND ');
}
