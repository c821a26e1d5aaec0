import { z } from 'zod';
import { THEME_COLORS } from '../../src/contract/theme.ts';
import { isDark } from './contrast.ts';

/** `bgPrimary` is `--bg-primary` in the styles. */
export type ColorName = (typeof THEME_COLORS)[number];

const NAMED = ['transparent', 'black', 'white', 'red', 'green', 'blue', 'yellow', 'cyan', 'magenta', 'gray', 'grey'];
/** What a theme may hold: nothing that could reach another server. */
const Color = z
  .string()
  .regex(
    new RegExp(`^(#[0-9a-f]{3}|#[0-9a-f]{6}|rgba?\\([\\d\\s.,%]+\\)|${NAMED.join('|')})$`, 'i'),
    'a colour: #rgb, #rrggbb, rgb(), rgba() or a simple name',
  );

export const Theme = z
  .object({
    name: z.string().regex(/^[a-z0-9_-]{1,64}$/, 'a name of a-z, 0-9, - and _'),
    displayName: z.string().min(1).max(100),
    isDark: z.boolean().optional(),
    colors: z.record(z.enum(THEME_COLORS), Color),
  })
  // Themes of other programs do not say it.
  .transform((theme) => ({ ...theme, isDark: theme.isDark ?? isDark(theme.colors.bgPrimary) }));
export type Theme = z.output<typeof Theme>;

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
  const colors = Object.fromEntries(THEME_COLORS.map(read)) as Record<ColorName, string>;
  probe.remove();
  return colors;
}

/** `rgb(1, 2, 3)` as `#010203`; with transparency as it is. */
export function hexOf(color: string): string {
  const parts = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(color)?.slice(1);
  return parts === undefined ? color : `#${parts.map((part) => Number(part).toString(16).padStart(2, '0')).join('')}`;
}
