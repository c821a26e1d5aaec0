/** One line without its end (`\n` or `\r\n`). */
export type Line = {
  readonly text: string;
  /** The line was longer than the bound: `text` is its beginning, the rest is gone. */
  readonly isTruncated: boolean;
  /** Length of the whole line on the wire, without its end. */
  readonly bytes: number;
};
