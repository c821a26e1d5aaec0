/** How well colours can be told apart, as WCAG 2.2 measures it: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */

type Rgb = readonly [red: number, green: number, blue: number];

const NAMED: Readonly<Record<string, Rgb>> = {
  black: [0, 0, 0],
  white: [255, 255, 255],
  red: [255, 0, 0],
  green: [0, 128, 0],
  blue: [0, 0, 255],
  yellow: [255, 255, 0],
  cyan: [0, 255, 255],
  magenta: [255, 0, 255],
  gray: [128, 128, 128],
  grey: [128, 128, 128],
};

/** Null for one that lets through what is behind it. */
function rgbOf(color: string): Rgb | null {
  const hex = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(color) ? color.slice(1) : null;
  if (hex !== null) {
    const digits = hex.length === 3 ? [...hex].map((digit) => digit + digit) : (hex.match(/../g) ?? []);
    const [red = 0, green = 0, blue = 0] = digits.map((pair) => Number.parseInt(pair, 16));
    return [red, green, blue];
  }
  const parts = /^rgb\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*\)$/i.exec(color)?.slice(1).map(Number);
  if (parts === undefined) return NAMED[color.toLowerCase()] ?? null;
  const [red = 0, green = 0, blue = 0] = parts;
  return [red, green, blue];
}

function luminance(color: Rgb): number {
  const [red = 0, green = 0, blue = 0] = color.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export function isDark(color: string): boolean {
  const rgb = rgbOf(color);
  return rgb === null || luminance(rgb) < 0.18;
}

/** From 1 (the same) to 21; null if one of them is not a plain colour. */
export function contrast(one: string, other: string): number | null {
  const [a, b] = [rgbOf(one), rgbOf(other)];
  if (a === null || b === null) return null;
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

const TEXTS = [
  'textPrimary',
  'textSecondary',
  'textTertiary',
  'textQuaternary',
  'primary',
  'accentSuccess',
  'accentWarning',
  'accentError',
  'accentInfo',
] as const;
const GROUNDS = ['bgPrimary', 'bgSecondary', 'bgTertiary'] as const;
/** What WCAG AA asks of text. */
const ENOUGH = 4.5;

/** The pairs of a theme that are hard to read, the hardest first. */
export function hardToRead(
  colors: Readonly<Record<string, string>>,
): { readonly text: string; readonly ground: string; readonly ratio: number }[] {
  const pairs = TEXTS.flatMap((text) =>
    GROUNDS.map((ground) => ({ text, ground, ratio: contrast(colors[text] ?? '', colors[ground] ?? '') ?? ENOUGH })),
  );
  return pairs.filter(({ ratio }) => ratio < ENOUGH).sort((a, b) => a.ratio - b.ratio);
}
