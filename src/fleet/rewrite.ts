/**
 * The same value with names of one machine replaced by those of another, wherever they stand in its texts: a directory, an
 * address. A longer name that begins so is another one, and stays.
 */
export function rewrite<T>(value: T, names: readonly (readonly [from: string, to: string])[]): T {
  let text = JSON.stringify(value);
  for (const [from, to] of names)
    text = text.replaceAll(new RegExp(`${quoted(inJson(from))}(?![\\w.-])`, 'g'), () => inJson(to));
  return JSON.parse(text);
}

const quoted = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);
