import type { Machine } from './machine.ts';
import { median, percentile } from './sample.ts';

export type Goal = { readonly text: string; readonly isMet: boolean };

export type Row = {
  readonly what: string;
  readonly unit: string;
  readonly n: number;
  readonly median: number;
  /** Null where there is one value only, such as a rate. */
  readonly p95: number | null;
  readonly goal: Goal | null;
};

export type BenchOptions = {
  readonly isQuick: boolean;
  /** The folder of the server that Gantry is compared with; null if it is not to be had. */
  readonly original: string | null;
};

/** Something that is measured by itself: `npm run bench -- --only <name>`. */
export type Measure = {
  readonly name: string;
  readonly title: string;
  /** How it was measured, for the reader of the page. */
  readonly how: string;
  readonly run: (options: BenchOptions) => Promise<readonly Row[]>;
};

export type Result = Pick<Measure, 'name' | 'title' | 'how'> & { readonly rows: readonly Row[] };

/** A row of many values; the goal is for their median. */
export function sampled(what: string, unit: string, values: readonly number[], most?: number): Row {
  const middle = median(values);
  const goal = most === undefined ? null : { text: `≤ ${most}`, isMet: middle <= most };
  return { what, unit, n: values.length, median: middle, p95: percentile(values, 0.95), goal };
}

/** A row of rates, of which more is better: its p95 is what 95 of 100 reach. */
export const rates = (what: string, unit: string, values: readonly number[]): Row => ({
  ...sampled(what, unit, values),
  p95: percentile(values, 0.05),
});

/** A row of one value that was got from `n` of them. */
export const single = (what: string, unit: string, value: number, n: number, goal: Goal | null = null): Row => ({
  what,
  unit,
  n,
  median: value,
  p95: null,
  goal,
});

const HEADINGS = ['measured', 'unit', 'n', 'median', 'p95', 'goal'] as const;

const number = (value: number): string => {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
};

const cells = ({ what, unit, n, median: middle, p95, goal }: Row): string[] => [
  what,
  unit,
  String(n),
  number(middle),
  p95 === null ? '–' : number(p95),
  goal === null ? '' : `${goal.text}: ${goal.isMet ? 'met' : 'missed'}`,
];

const describe = ({ cpu, cores, memoryGb, kernel, node, opencode, git, load }: Machine): string =>
  `${cpu}, ${cores} cores, ${memoryGb} GB; ${kernel}; Node ${node}, OpenCode ${opencode}, ${git}; load before: ${load}`;

/** One table for a terminal. */
export function textReport(machine: Machine, results: readonly Result[]): string {
  const rows = results.flatMap(({ rows: own }) => own.map(cells));
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 || column === 5 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const blocks = results.flatMap(({ title, rows: own }) => ['', title, ...own.map((row) => `  ${line(cells(row))}`)]);
  return [describe(machine), '', `  ${line(HEADINGS)}`, ...blocks, ''].join('\n');
}

/** docs/performance.md: what was measured now, and of the `earlier` page the sections of what was not. */
export function pageReport(
  measured: { readonly machine: Machine; readonly results: readonly Result[]; readonly date: string },
  titles: readonly string[],
  earlier: string,
): string {
  const kept = new Map(
    earlier
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')), `## ${section.trimEnd()}\n`]),
  );
  const { machine, date } = measured;
  const made = new Map(measured.results.map((result) => [result.title, sectionOf(result, machine, date)]));
  const sections = titles.flatMap((title) => made.get(title) ?? kept.get(title) ?? []);
  return `<!-- Written by \`npm run bench -- --write\`: change test/bench, not this page. -->

# Performance

Gantry's own overhead, as \`npm run bench\` measured it (\`--only <name>\`, \`--quick\`). Each section says when and where.

The load says how much else ran: times on a busy machine are longer than they need to be; memory and counts do not depend on
it. Of 100 values 95 are as good as p95 or better. A goal that is missed is said to be missed.

${sections.join('\n')}`;
}

function sectionOf({ title, how, rows }: Result, machine: Machine, date: string): string {
  const lines = [
    `| ${HEADINGS.join(' | ')} |`,
    '| --- | --- | ---: | ---: | ---: | --- |',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
  ];
  return `## ${title}\n\n${how}\n\n${date}, ${describe(machine)}.\n\n${lines.join('\n')}\n`;
}
