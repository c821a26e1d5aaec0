import { z } from 'zod';

/** The colours of a theme, by the names that themes are exchanged with; `bgPrimary` is `--bg-primary` in the styles. */
export const COLOR_NAMES = [
  'primary',
  'primaryHover',
  'primaryLight',
  'primaryDark',
  'bgPrimary',
  'bgSecondary',
  'bgTertiary',
  'bgQuaternary',
  'textPrimary',
  'textSecondary',
  'textTertiary',
  'textQuaternary',
  'borderPrimary',
  'borderSecondary',
  'borderTertiary',
  'accentSuccess',
  'accentWarning',
  'accentError',
  'accentInfo',
  'shadow',
  'shadowLg',
  'hoverBg',
  'activeBg',
  'focusRing',
] as const;
export type ColorName = (typeof COLOR_NAMES)[number];

const NAMED = ['transparent', 'black', 'white', 'red', 'green', 'blue', 'yellow', 'cyan', 'magenta', 'gray', 'grey'];
/** What a theme may hold: nothing that could reach another server. */
const Color = z
  .string()
  .regex(
    new RegExp(`^(#[0-9a-f]{3}|#[0-9a-f]{6}|rgba?\\([\\d\\s.,%]+\\)|${NAMED.join('|')})$`, 'i'),
    'a colour: #rgb, #rrggbb, rgb(), rgba() or a simple name',
  );

export const Theme = z.object({
  name: z.string().regex(/^[a-z0-9_-]{1,50}$/, 'a name of a-z, 0-9, - and _'),
  displayName: z.string().min(1).max(100),
  isDark: z.boolean().default(true),
  colors: z.record(z.enum(COLOR_NAMES), Color),
});
export type Theme = z.infer<typeof Theme>;

/** The file that a theme is exchanged as. */
const ThemeFile = z.object({ version: z.string(), theme: Theme });

export const exportTheme = (theme: Theme): string =>
  `${JSON.stringify({ version: '1.0.0', theme, exportedAt: new Date().toISOString() }, null, 2)}\n`;

/** A theme out of a file, or what is wrong with it in words. */
export function importTheme(text: string): { readonly theme: Theme } | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { problem: 'the file is not JSON' };
  }
  const file = ThemeFile.safeParse(value);
  if (file.success) return { theme: file.data.theme };
  const [issue] = file.error.issues;
  return { problem: `${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not a theme'}` };
}

export const variableOf = (name: ColorName): string => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** The colours as the page shows them now: what a new theme begins with. */
export function currentColors(): Record<ColorName, string> {
  const probe = document.createElement('span');
  document.body.append(probe);
  const read = (name: ColorName): [ColorName, string] => {
    probe.style.color = `var(${variableOf(name)})`;
    return [name, hexOf(getComputedStyle(probe).color)];
  };
  const colors = Object.fromEntries(COLOR_NAMES.map(read)) as Record<ColorName, string>;
  probe.remove();
  return colors;
}

/** `rgb(1, 2, 3)` as `#010203`; with transparency as it is. */
export function hexOf(color: string): string {
  const parts = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(color)?.slice(1);
  return parts === undefined ? color : `#${parts.map((part) => Number(part).toString(16).padStart(2, '0')).join('')}`;
}
