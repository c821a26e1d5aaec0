/** How the program behaves at its start and at its end. */
export type Start = {
  readonly readyAfterMs: number;
  readonly isNeverReady: boolean;
  readonly version: string | null;
  readonly exitCode: number | null;
  /** Ignores TERM, or also the end of its input and the request to close. */
  readonly ignores: 'nothing' | 'term' | 'everything';
};

/**
 * Reads words like `ready-after=500 ignore-term`. Words: `ready-after=<ms>`, `never-ready`, `version=<v>`, `exit=<code>`,
 * `ignore-term`, `ignore-everything` (TERM, end of input, request to close).
 * @throws Error that names the word which is none of these.
 */
export function parseStart(words: string): Start {
  let start: Start = { readyAfterMs: 0, isNeverReady: false, version: null, exitCode: null, ignores: 'nothing' };
  for (const word of words.split(/[\s,]+/)) if (word !== '') start = { ...start, ...meaning(word) };
  return start;
}

function meaning(word: string): Partial<Start> {
  const [name, value = ''] = word.split('=', 2);
  switch (name) {
    case 'ready-after':
      return { readyAfterMs: Number(value) };
    case 'never-ready':
      return { isNeverReady: true };
    case 'version':
      return { version: value };
    case 'exit':
      return { exitCode: Number(value) };
    case 'ignore-term':
      return { ignores: 'term' };
    case 'ignore-everything':
      return { ignores: 'everything' };
    default:
      throw new Error(`GANTRY_FAKE_START: unknown word "${word}"`);
  }
}
