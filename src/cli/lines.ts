import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { writePrivateFile } from '../daemon/private-file.ts';

/** Where lines come from. `null` is the end of the input. */
export type Lines = {
  readonly next: (prompt: string) => Promise<string | null>;
  readonly close: () => void;
};

const MAX_HISTORY = 1_000;

/** Lines that a person types, with editing and a history that is kept in `home`. Ctrl-C empties the line; twice is the end. */
export function typedLines(stdin: ReadStream, home: string, onFirstInterrupt: () => void): Lines {
  const file = join(home, 'history');
  let history = readHistory(file);
  const next = (prompt: string): Promise<string | null> =>
    new Promise((resolve) => {
      const lines = createInterface({
        input: stdin,
        output: process.stdout,
        terminal: true,
        history: [...history],
        historySize: MAX_HISTORY,
        removeHistoryDuplicates: true,
      });
      let isInterrupted = false;
      let line: string | null = null;
      lines.on('history', (changed: string[]) => {
        history = changed;
      });
      lines.on('SIGINT', () => {
        const isEmpty = lines.line === '';
        if (isEmpty && isInterrupted) return lines.close();
        isInterrupted = isEmpty;
        process.stdout.write('\n');
        if (isEmpty) onFirstInterrupt();
        lines.write(null, { ctrl: true, name: 'u' });
        lines.prompt();
      });
      lines.once('line', (typed) => {
        line = typed;
        lines.close();
      });
      lines.once('close', () => {
        if (line === null) process.stdout.write('\n');
        else writePrivateFile(file, history.map((entry) => `${entry}\n`).join(''));
        resolve(line);
      });
      lines.setPrompt(prompt);
      lines.prompt();
    });
  return { next, close: () => undefined };
}

function readHistory(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .slice(0, MAX_HISTORY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Lines of a pipe or a file. No prompt is written. */
export function pipedLines(stdin: ReadStream): Lines {
  const lines = createInterface({ input: stdin, terminal: false });
  const iterator = lines[Symbol.asyncIterator]();
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return done === true ? null : value;
    },
    close: () => lines.close(),
  };
}

/** The words of a line as a shell would see them: quotes join, a backslash takes the next letter as it is. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:"(?:\\.|[^"\\])*"?|'[^']*'?|\\.|[^\s"'\\])+/gs)) {
    words.push(
      word.replace(
        /"((?:\\.|[^"\\])*)"?|'([^']*)'?|\\(.)/gs,
        (_all, double?: string, single?: string, escaped?: string) =>
          double === undefined ? (single ?? escaped ?? '') : double.replace(/\\(["\\])/g, '$1'),
      ),
    );
  }
  return words;
}
