import type { Paint, Style } from './output.ts';
import { safeText } from './text.ts';

const styleOf = (line: string): Style | null => {
  if (/^(diff |index |\+\+\+ |--- )/.test(line)) return 'bold';
  if (line.startsWith('@@')) return 'cyan';
  if (line.startsWith('+')) return 'green';
  return line.startsWith('-') ? 'red' : null;
};

/** A unified diff, coloured; its words are foreign. */
export const diffLines = (diff: string, paint: Paint): string[] =>
  safeText(diff.trimEnd())
    .split('\n')
    .map((line) => {
      const style = styleOf(line);
      return style === null ? line : paint(style, line);
    });
