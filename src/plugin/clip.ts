const MAX_TEXT = 16_000;
const MAX_ITEMS = 200;
const MAX_DEPTH = 12;

/** The value in a size that can be sent: long texts are cut, long lists and deep things end early, and say so. */
export function clip(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return clipText(value, MAX_TEXT);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[deeper things were left out]';
  if (Array.isArray(value)) {
    const kept = value.slice(0, MAX_ITEMS).map((item) => clip(item, depth + 1));
    return value.length > MAX_ITEMS ? [...kept, `[${value.length - MAX_ITEMS} more were left out]`] : kept;
  }
  const entries = Object.entries(value);
  const kept = entries.slice(0, MAX_ITEMS).map(([key, inner]) => [key, clip(inner, depth + 1)] as const);
  return Object.fromEntries(kept);
}

export function clipText(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}… [${text.length - max} more characters]`;
}
