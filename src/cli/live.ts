import type { TextStream } from './output.ts';
import { columnsOf } from './output.ts';
import { widthOf } from './text.ts';

const ESC = '\u001b[';

/** The part of a terminal below the cursor, redrawn in place. Nothing is written if nothing changed. */
export class Live {
  readonly #stream: TextStream;
  #shown: readonly string[] = [];

  constructor(stream: TextStream) {
    this.#stream = stream;
  }

  draw(lines: readonly string[]): void {
    if (lines.length === this.#shown.length && lines.every((line, index) => line === this.#shown[index])) return;
    this.#stream.write(this.#erase() + lines.map((line) => `${line}\n`).join(''));
    this.#shown = lines;
  }

  clear(): void {
    if (this.#shown.length > 0) this.#stream.write(this.#erase());
    this.#shown = [];
  }

  /** A terminal that became narrower has broken the lines: it is the rows that count. */
  #erase(): string {
    const columns = columnsOf(this.#stream);
    const rows = this.#shown.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    return rows === 0 ? '' : `${ESC}${rows}A\r${ESC}J`;
  }
}
