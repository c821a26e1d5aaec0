/** A measure's samples in one unit. */
export type Series = { readonly name: string; readonly unit: string; readonly values: readonly number[] };

export const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
};
export const median = (values: readonly number[]): number => quantile(values, 0.5);

const round = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** A row of the table: name, median, 95th percentile, number of samples, and what it is compared with. */
export type Row = {
  readonly what: string;
  readonly median: string;
  readonly p95: string;
  readonly n: number;
  readonly note: string;
};

export const rowOf = ({ name, unit, values }: Series, note = ''): Row => ({
  what: name,
  median: `${round(median(values))} ${unit}`,
  p95: values.length > 1 ? `${round(quantile(values, 0.95))} ${unit}` : '',
  n: values.length,
  note,
});

export function tableOf(rows: readonly Row[]): string {
  const head = '| measure | median | p95 | n | beside it |\n| --- | ---: | ---: | ---: | --- |';
  return [head, ...rows.map((r) => `| ${r.what} | ${r.median} | ${r.p95} | ${r.n} | ${r.note} |`)].join('\n');
}
