/** One line of values: its full name, its labels, its number. */
export type MetricSample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};
export type MetricFamily = {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly MetricSample[];
};

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|(?=\}))/;
const VALUE = /^ ([+-]?Inf|NaN|[+-]?\d+(\.\d+)?([eE][+-]?\d+)?)$/;
const ENDINGS: Readonly<Record<string, readonly string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

/**
 * Reads the text format 0.0.4 of Prometheus as strictly as its page says, and checks what a reader relies on: families
 * once and whole, counters that end in _total, buckets that grow up to the count.
 * @throws Error naming the line
 */
export function readMetrics(text: string): ReadonlyMap<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, Growing>();
  let help: Named = { name: '', text: '' };
  let family: Growing | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') help = { name, text: rest };
    else if (word === 'TYPE') family = begin(families, help, { name, text: rest });
    else add(family, line);
  }
  for (const one of families.values()) checkBuckets(one);
  return families;
}

type Growing = MetricFamily & { readonly samples: MetricSample[] };
type Named = { readonly name: string; readonly text: string };

function begin(families: Map<string, Growing>, help: Named, { name, text: type }: Named): Growing {
  if (help.name !== name || families.has(name) || !(type in ENDINGS)) throw new Error(`wrong family: ${name} ${type}`);
  if ((type === 'counter') !== name.endsWith('_total'))
    throw new Error(`a counter, and only that, ends in _total: ${name}`);
  const family = { name, type, help: help.text, samples: [] };
  families.set(name, family);
  return family;
}

function add(family: Growing | null, line: string): void {
  const sample = readSample(line);
  const names = (ENDINGS[family?.type ?? ''] ?? []).map((ending) => family?.name + ending);
  if (!names.includes(sample.name)) throw new Error(`not of its family: ${line}`);
  if (family?.samples.some((one) => keyOf(one) === keyOf(sample))) throw new Error(`twice: ${line}`);
  family?.samples.push(sample);
}

const keyOf = ({ name, labels }: MetricSample): string => name + JSON.stringify(Object.entries(labels).sort());

function readSample(line: string): MetricSample {
  const name = NAME.exec(line)?.[0] ?? '';
  let rest = line.slice(name.length);
  const labels: Record<string, string> = {};
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const [whole, label = '', value = ''] = LABEL.exec(rest) ?? [];
      if (whole === undefined || label in labels) throw new Error(`wrong labels: ${line}`);
      labels[label] = value.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
      rest = rest.slice(whole.length);
    }
    rest = rest.slice(1);
  }
  const value = VALUE.exec(rest)?.[1];
  if (name === '' || value === undefined) throw new Error(`not a sample: ${line}`);
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

function checkBuckets({ name, type, samples }: MetricFamily): void {
  if (type !== 'histogram') return;
  for (const count of samples.filter((one) => one.name === `${name}_count`)) {
    const own = samples.filter(({ labels: { le, ...labels } }) => le && keyOf({ ...count, labels }) === keyOf(count));
    const values = own.map(({ value }) => value);
    const isGrowing = values.every((value, i) => i === 0 || value >= (values[i - 1] ?? 0));
    if (!isGrowing || own.at(-1)?.labels.le !== '+Inf' || values.at(-1) !== count.value)
      throw new Error(`buckets: ${name}`);
  }
}
