import { pause } from '../base/wait.ts';
import type { Context } from './command.ts';
import { onInterrupt } from './keys.ts';
import { Live } from './live.ts';

const EVERY_MS = 1_000;

/**
 * Shows what `read` gives, anew every second, until Ctrl-C: in place on a terminal, else only when it has changed;
 * with `--json` a line for each change.
 */
export async function repeat<T>(
  { output }: Context,
  read: () => Promise<T>,
  lines: (value: T) => readonly string[],
): Promise<number> {
  const abort = new AbortController();
  const stop = onInterrupt(() => abort.abort());
  const live = output.stderr.isTTY === true && output.isTerminal && !output.isJson ? new Live(output.stderr) : null;
  let shown = '';
  try {
    while (!abort.signal.aborted) {
      const value = await read();
      const text = JSON.stringify(value);
      if (live !== null) live.draw(lines(value));
      else if (text !== shown && output.isJson) output.jsonLine(value);
      else if (text !== shown) output.raw(...lines(value), '');
      shown = text;
      await pause(EVERY_MS, abort.signal);
    }
  } finally {
    stop();
  }
  return 0;
}
