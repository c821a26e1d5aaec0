/**
 * The same value with names of one machine replaced by those of another, wherever they stand in its texts: a directory, an
 * address. A longer name that begins so is another one, and stays; so do the names of fields.
 */
export function rewrite<T>(value: T, names: readonly (readonly [from: string, to: string])[]): T {
  const patterns = names.map(([from, to]) => [new RegExp(`${quoted(from)}(?![\\w.-])`, 'g'), () => to] as const);
  const change = (part: unknown): unknown => {
    if (typeof part === 'string') return patterns.reduce((text, [from, to]) => text.replaceAll(from, to), part);
    if (Array.isArray(part)) return part.map(change);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, one]) => [key, change(one)]));
  };
  return change(value) as T;
}

const quoted = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
