/** Longer words are keys, hashes and the like. */
const MAX_WORD_LENGTH = 24;
const CODE = /```[\s\S]*?(```|$)|~~~[\s\S]*?(~~~|$)|`[^`]*`/g;
/** A letter and a digit in one word of some length: an id, a hash, a key. */
const OPAQUE = /^(?=\p{L}*\d)(?=\d*\p{L})[\p{L}\d]{9,}$/u;
const WORD = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*$/u;

/**
 * A text as it can be spoken: words, numbers and the ends of sentences. No code, path, address, Markdown, or what looks
 * like a key; at most `maxLength` characters, cut between words.
 */
export function plainWords(text: string, maxLength: number): string {
  const words = text
    .slice(0, 20_000)
    .replace(CODE, ' ')
    .replace(/\[redacted\]/g, ' ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
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
  const [, bare = '', end = ''] =
    /^[*_~#>"'“”‘’([{]*(.*?)[*_~"'“”‘’)\]}]*([.,;:!?…]*)[*_~"'“”‘’)\]}]*$/su.exec(part) ?? [];
  const isSpoken = WORD.test(bare) && bare.length <= MAX_WORD_LENGTH && !OPAQUE.test(bare);
  return isSpoken ? bare + end.slice(0, 1) : null;
}
