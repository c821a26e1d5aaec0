import type { Config, ConfigLayer } from '../contract/config.ts';
import type { KeyPath } from './config-keys.ts';

/** One value of one layer. `source` is a file, a variable or a flag. */
export type Leaf = {
  readonly path: KeyPath;
  readonly value: unknown;
  readonly layer: ConfigLayer;
  readonly source: string;
};

/** Lists to which every layer adds, so that no layer can take away what another denies. Other lists replace each other. */
const GROWING = new Set(['policy.rules', 'models.deny']);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The values of a layer, one by one; an empty object (a role without settings) is a value too. */
export function leavesOf(config: Config, layer: ConfigLayer, source: string): Leaf[] {
  const visit = (path: KeyPath, value: unknown): Leaf[] => {
    if (isObject(value) && Object.keys(value).length > 0) {
      return Object.entries(value).flatMap(([key, inner]) => visit([...path, key], inner));
    }
    if (Array.isArray(value) && GROWING.has(path.join('.'))) {
      return value.map((item, i) => ({ path: [...path, i], value: item, layer, source }));
    }
    return value === undefined ? [] : [{ path, value, layer, source }];
  };
  return Object.entries(config).flatMap(([key, value]) => (key === '$schema' ? [] : visit([key], value)));
}

/** What holds when these layers lie on each other, lowest first: of each key the highest value. */
export function merge(layers: readonly (readonly Leaf[])[]): Leaf[] {
  const winners = new Map<string, Leaf>();
  const lengths = new Map<string, number>();
  for (const leaf of layers.flat()) {
    if (typeof leaf.path.at(-1) === 'number') {
      const list = leaf.path.slice(0, -1);
      const index = lengths.get(list.join('.')) ?? 0;
      lengths.set(list.join('.'), index + 1);
      const path = [...list, index];
      winners.set(JSON.stringify(path), { ...leaf, path });
    } else {
      winners.set(JSON.stringify(leaf.path), leaf);
    }
  }
  return [...winners.values()];
}

/** The object that the values make. It and its parts have no prototype: a role named `constructor` is just a role. */
export function build(leaves: readonly Leaf[]): Record<string, unknown> {
  const root = Object.create(null) as Record<string, unknown>;
  for (const { path, value } of leaves) {
    let node = root;
    for (const [i, part] of path.slice(0, -1).entries()) {
      node[part] ??= typeof path[i + 1] === 'number' ? [] : Object.create(null);
      node = node[part] as Record<string, unknown>;
    }
    const last = path.at(-1) ?? '';
    if (isObject(value) && Object.keys(value).length === 0) node[last] ??= Object.create(null);
    else node[last] = value;
  }
  return root;
}
