import { AppError } from '../contract/errors.ts';

/**
 * Parses JSON that may come from anyone: nesting is bounded before anything is built, so that no later walk over the
 * value can overflow the stack.
 * @throws AppError bad_request, saying where
 */
export function parseJson(text: string, maxDepth: number): unknown {
  const deepAt = firstDeeperThan(text, maxDepth);
  if (deepAt !== null) {
    throw new AppError('bad_request', `the JSON is nested deeper than ${maxDepth} levels at position ${deepAt}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // The parser's own words quote the text, which may be a secret.
    const at = /at position \d+|Unexpected end/.exec(error.message)?.[0] ?? 'somewhere';
    throw new AppError('bad_request', `the body is not JSON: ${at === 'Unexpected end' ? 'it ends too early' : at}`, {
      cause: error,
    });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The position of the first bracket at a depth over `max`; brackets in strings do not count. */
function firstDeeperThan(text: string, max: number): number | null {
  let depth = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    // `[` and `{`, `]` and `}` differ in one bit.
    else if ((code | 0x20) === 0x7b) {
      depth += 1;
      if (depth > max) return i;
    } else if ((code | 0x20) === 0x7d) depth -= 1;
  }
  return null;
}

/** Where the string that begins at `from` ends; a quote behind an odd number of backslashes is one of its characters. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 0) return end;
  }
  return text.length;
}
