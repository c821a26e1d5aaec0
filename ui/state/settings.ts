import { type ShallowRef, shallowRef, watchEffect } from 'vue';
import { z } from 'zod';
import { THEME_COLORS } from '../../src/contract/theme.ts';
import { Theme, variableOf } from './themes.ts';

export const THEME_CHOICES = ['system', 'light', 'dark', 'contrast', 'custom'] as const;

/** What a page of events was narrowed to: the query of its address. */
const SavedFilter = z.object({ name: z.string(), query: z.record(z.string(), z.string()) });
export type SavedFilter = z.infer<typeof SavedFilter>;

/** What this browser keeps; nothing of it reaches the daemon. */
const Kept = z.object({
  theme: z.enum(THEME_CHOICES).catch('system'),
  custom: Theme.nullable().catch(null),
  /** Single keys act: `a` allows. */
  hasShortcuts: z.boolean().catch(true),
  hasNotifications: z.boolean().catch(false),
  hasSpeech: z.boolean().catch(false),
  /** Addresses of the page of events, by name. */
  filters: z.array(SavedFilter).catch([]),
});
export type Kept = z.infer<typeof Kept>;

const KEY = 'gantry.dashboard';

/** The person's choices for this browser. */
export class Settings {
  readonly kept: ShallowRef<Kept> = shallowRef(read());

  constructor() {
    watchEffect(() => applyTheme(this.kept.value));
  }

  change(changes: Partial<Kept>): void {
    this.kept.value = { ...this.kept.value, ...changes };
    localStorage.setItem(KEY, JSON.stringify(this.kept.value));
  }
}

function read(): Kept {
  let stored: unknown;
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? '{}');
  } catch (error) {
    // What another version or a person's hand left there is no reason to show nothing.
    if (!(error instanceof SyntaxError)) throw error;
  }
  return Kept.parse(typeof stored === 'object' && stored !== null ? stored : {});
}

/** A theme of the person's own sets variables; the built-in ones are in the style sheet. */
function applyTheme({ theme, custom }: Kept): void {
  const root = document.documentElement;
  const own = theme === 'custom' ? custom : null;
  root.dataset.theme = own === null ? (theme === 'custom' ? 'system' : theme) : own.isDark ? 'dark' : 'light';
  for (const name of THEME_COLORS) {
    const color = own?.colors[name];
    if (color === undefined) root.style.removeProperty(variableOf(name));
    else root.style.setProperty(variableOf(name), color);
  }
}
