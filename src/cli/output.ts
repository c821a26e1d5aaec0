import type { AppError } from '../contract/errors.ts';
import { clip, padEnd, padStart, safeText, widthOf, wrap } from './text.ts';

/** What the CLI needs of stdout and stderr. */
export type TextStream = {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
};

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;
export type Style = keyof typeof CODES;
/** Colours a text, or hands it back as it is. */
export type Paint = (style: Style, text: string) => string;

export const plainPaint: Paint = (_style, text) => text;
export const colourPaint: Paint = (style, text) => {
  const [on, off] = CODES[style];
  return text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`;
};

export type OutputOptions = {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  /** Whether the person wants colours where a terminal can show them. */
  readonly isColourWanted: boolean;
};

/** Columns to lay a text out for; what goes into a file or a pipe is not cut. */
export const columnsOf = (stream: TextStream): number => (stream.isTTY ? Math.max(20, stream.columns ?? 80) : 1000);

/** The two ways out: results go to stdout, everything else to stderr. With `--json` stdout gets one document and nothing else. */
export class Output {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly stderr: TextStream;
  readonly paint: Paint;
  /** For what goes to stderr. */
  readonly paintNote: Paint;
  readonly #stdout: TextStream;

  constructor(options: OutputOptions) {
    const paintFor = (stream: TextStream): Paint => (options.isColourWanted && stream.isTTY ? colourPaint : plainPaint);
    this.isJson = options.isJson;
    this.isQuiet = options.isQuiet;
    this.stderr = options.stderr;
    this.#stdout = options.stdout;
    this.paint = paintFor(options.stdout);
    this.paintNote = paintFor(options.stderr);
  }

  /** Whether a person reads the result as it comes; a file or another program wants it byte for byte. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  get columns(): number {
    return columnsOf(this.#stdout);
  }

  /** Lines of a result for people; nothing with `--json`. */
  print(...lines: readonly string[]): void {
    if (!this.isJson) this.raw(...lines);
  }

  /** The result: one JSON document, or its lines for people. */
  result(value: unknown, lines: () => readonly string[]): void {
    if (this.isJson) this.json(value);
    else this.raw(...lines());
  }

  json(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** A line of JSON: of a stream without end. */
  jsonLine(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Lines on stdout in every mode. */
  raw(...lines: readonly string[]): void {
    if (lines.length > 0) this.#stdout.write(forStream(this.#stdout, `${lines.join('\n')}\n`));
  }

  /** What is not the result: hints, progress. Silent with `--quiet`. */
  note(...lines: readonly string[]): void {
    if (!this.isQuiet && lines.length > 0) this.stderr.write(forStream(this.stderr, `${lines.join('\n')}\n`));
  }

  /** A failure: on stderr in words; with `--json` also as the document on stdout. */
  failure(error: AppError): void {
    if (this.isJson) this.json({ error: { code: error.code, message: error.message, details: error.details ?? null } });
    else {
      const width = columnsOf(this.stderr);
      const lines = failureLines(error).flatMap((line) => wrap(line, width));
      this.stderr.write(forStream(this.stderr, `${lines.join('\n')}\n`));
    }
  }
}

const COLOUR = new RegExp(`(\u001b\\[(?:${Object.values(CODES).flat().join('|')})m)`);

/** What an agent says must not act on the terminal of the person who reads it, but for colours; a file gets it as it is. */
function forStream({ isTTY }: TextStream, text: string): string {
  if (!isTTY) return text;
  const parts = text.split(COLOUR);
  return parts.map((part, i) => (i % 2 === 0 ? safeText(part) : part)).join('');
}

function failureLines(error: AppError): string[] {
  const { accepted, remedy, issues } = error.details ?? {};
  return [
    `gantry: ${error.message}`,
    ...(Array.isArray(issues) ? issues.map((issue) => `  ${issueText(issue)}`) : []),
    ...(Array.isArray(accepted) && accepted.length > 0 ? [`  accepted: ${accepted.join(', ')}`] : []),
    ...(typeof remedy === 'string' ? [`  ${remedy}`] : []),
  ];
}

const issueText = (issue: unknown): string =>
  typeof issue === 'object' && issue !== null && 'message' in issue
    ? `${'path' in issue && issue.path !== '' ? `${String(issue.path)}: ` : ''}${String(issue.message)}`
    : String(issue);

export type Column = {
  readonly title: string;
  readonly align?: 'right';
  /** May be cut down to so many columns when the line is too long. */
  readonly min?: number;
  readonly style?: (cell: string) => Style | null;
};

const GAP = 2;

/** A table for `columns` columns of text; too narrow for that, every row becomes a small list of its cells. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  paint: Paint = plainPaint,
): string[] {
  const widths = widthsFor(columns, rows, width);
  if (widths === null)
    return rows.flatMap((row, index) => record(columns, row, { width, paint, isFirst: index === 0 }));
  const line = (cells: readonly string[], styled: (cell: string, column: Column) => string): string =>
    cells
      .map((cell, index) => {
        const [column, columnWidth] = [columns[index], widths[index]];
        if (column === undefined || columnWidth === undefined) return '';
        const text = clip(cell, columnWidth);
        const isLast = index === columns.length - 1;
        const padded =
          column.align === 'right' ? padStart(text, columnWidth) : isLast ? text : padEnd(text, columnWidth);
        return styled(padded, column);
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  return [
    line(
      columns.map((column) => column.title),
      (title) => paint('dim', title),
    ),
    ...rows.map((row) => line(row, (cell, column) => styledCell(cell, column, paint))),
  ];
}

const styledCell = (cell: string, column: Column, paint: Paint): string => {
  const style = column.style?.(cell.trim()) ?? null;
  return style === null ? cell : paint(style, cell);
};

/** The width of each column, or null if even the smallest do not fit. */
function widthsFor(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): number[] | null {
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  let excess = widths.reduce((sum, w) => sum + w + GAP, -GAP) - width;
  while (excess > 0) {
    const room = columns.map((column, index) => (widths[index] ?? 0) - Math.max(column.min ?? Infinity, 4));
    const widest = room.indexOf(Math.max(...room));
    const most = room[widest] ?? 0;
    if (!(most > 0)) return null;
    const cut = Math.min(excess, Math.max(1, Math.ceil(most / 2)));
    widths[widest] = (widths[widest] ?? 0) - cut;
    excess -= cut;
  }
  return widths;
}

function record(
  columns: readonly Column[],
  row: readonly string[],
  { width, paint, isFirst }: { readonly width: number; readonly paint: Paint; readonly isFirst: boolean },
): string[] {
  const label = Math.max(...columns.map((column) => widthOf(column.title))) + GAP;
  const lines = columns.flatMap((column, index) => {
    const cell = row[index] ?? '';
    return cell === '' || cell === '-'
      ? []
      : wrap(cell, width - label).map(
          (part, at) =>
            `${paint('dim', padEnd(at === 0 ? column.title : '', label))}${styledCell(part, column, paint)}`,
        );
  });
  return isFirst ? lines : ['', ...lines];
}
