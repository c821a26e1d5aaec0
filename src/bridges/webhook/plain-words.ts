/** Longer words are keys, hashes and the like. */
const MAX_WORD_LENGTH = 24;
const CODE = /```[\s\S]*?(```|$)|~~~[\s\S]*?(~~~|$)|`[^`]*`/g;
/** A letter and a digit in one word of some length: an id, a hash, a key. */
const OPAQUE = /^(?=\p{L}*\d)(?=\d*\p{L})[\p{L}\d]{9,}$/u;
const WORD = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*$/u;

const OPENING = /^[*_~#>"'“”‘’([{]+/;
const CLOSING = '*_~"\'“”‘’)]}';
const ENDING = '.,;:!?…';

/**
 * A text as it can be spoken: words, numbers and the ends of sentences. No code, path, address, Markdown, or what looks
 * like a key; at most `maxLength` characters, cut between words.
 */
export function plainWords(text: string, maxLength: number): string {
  const words = text
    .slice(0, 20_000)
    .replace(CODE, ' ')
    .replace(/\[redacted\]/g, ' ')
    .replace(/!?\[([^[\]]*)\]\([^)]{0,2000}\)/g, '$1')
    .split(/\s+/)
    .flatMap((part) => wordOf(part) ?? []);
  let said = '';
  for (const word of words) {
    const next = said === '' ? word : `${said} ${word}`;
    if (next.length > maxLength) break;
    said = next;
  }
  return said;
}

/** Null for what is no word. */
function wordOf(part: string): string | null {
  const bare = part.replace(OPENING, '');
  // From the end: an expression that looks for it from the beginning takes the cube of the length.
  const closed = endOf(CLOSING, bare, bare.length);
  const said = endOf(ENDING, bare, closed);
  const word = bare.slice(0, endOf(CLOSING, bare, said));
  const isSpoken = WORD.test(word) && word.length <= MAX_WORD_LENGTH && !OPAQUE.test(word);
  return isSpoken ? word + bare.slice(said, closed).slice(0, 1) : null;
}

/** Where the signs begin that stand before `end`. */
function endOf(signs: string, text: string, end: number): number {
  let start = end;
  while (start > 0 && signs.includes(text.charAt(start - 1))) start -= 1;
  return start;
}
