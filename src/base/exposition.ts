/** What is measured, in the text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */

export type Labels = Readonly<Record<string, string>>;

/** One value of a family; `suffix` is `_bucket`, `_sum`, `_count` or nothing. */
type Sample = { readonly suffix: string; readonly labels: Labels; readonly value: number };

/** A metric by its name, with all of its values. */
export type Family = {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
};

/** What is known now. */
export const gauge = (name: string, help: string, values: readonly (readonly [Labels, number])[]): Family => ({
  name,
  help,
  type: 'gauge',
  samples: values.map(([labels, value]) => ({ suffix: '', labels, value })),
});

/** Series of one metric at most; what is beyond it counts for one series whose labels all say `other`. */
const MAX_SERIES = 500;

/** One value per set of labels, with a bound on their number. */
class Series<T> {
  readonly #byKey = new Map<string, { readonly labels: Labels; value: T }>();

  of(labels: Labels, make: () => T): { readonly labels: Labels; value: T } {
    const isFull = this.#byKey.size >= MAX_SERIES && !this.#byKey.has(JSON.stringify(labels));
    const kept = isFull ? Object.fromEntries(Object.keys(labels).map((name) => [name, 'other'])) : labels;
    const key = JSON.stringify(kept);
    const known = this.#byKey.get(key) ?? { labels: kept, value: make() };
    this.#byKey.set(key, known);
    return known;
  }

  all(): readonly { readonly labels: Labels; readonly value: T }[] {
    return [...this.#byKey.values()];
  }
}

/** A number that only grows while the process lives. */
export class Counter {
  readonly #name: string;
  readonly #help: string;
  readonly #series = new Series<number>();

  /** By convention the name ends in `_total`. */
  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  add(labels: Labels, amount = 1): void {
    this.#series.of(labels, () => 0).value += amount;
  }

  family(): Family {
    const samples = this.#series.all().map(({ labels, value }) => ({ suffix: '', labels, value }));
    return { name: this.#name, help: this.#help, type: 'counter', samples };
  }
}

type Distribution = { readonly counts: number[]; sum: number };

/** How values are distributed over buckets, in the unit that the name says. */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Series<Distribution>();

  /** `bounds` grow; the last bucket, without a bound, is added. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const { value: found } = this.#series.of(labels, () => ({ counts: this.#bounds.map(() => 0).concat(0), sum: 0 }));
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const index = bucket === -1 ? this.#bounds.length : bucket;
    found.counts[index] = (found.counts[index] ?? 0) + 1;
    found.sum += value;
  }

  family(): Family {
    const samples = this.#series.all().flatMap(({ labels, value }) => {
      let count = 0;
      const buckets = value.counts.map((inBucket, i) => {
        count += inBucket;
        return { suffix: '_bucket', labels: { ...labels, le: textOf(this.#bounds[i] ?? Infinity) }, value: count };
      });
      return [...buckets, { suffix: '_sum', labels, value: value.sum }, { suffix: '_count', labels, value: count }];
    });
    return { name: this.#name, help: this.#help, type: 'histogram', samples };
  }
}

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The families as one text. */
export function exposition(families: readonly Family[]): string {
  return families
    .map(({ name, help, type, samples }) => {
      const lines = samples.map(
        ({ suffix, labels, value }) => `${name}${suffix}${labelText(labels)} ${textOf(value)}\n`,
      );
      return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    })
    .join('');
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function textOf(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}
