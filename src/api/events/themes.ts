import { z } from 'zod';
import { AppError } from '../../contract/errors.ts';
import type { Theme } from '../../contract/theme.ts';
import type { ThemeOwner, Themes } from '../../engine/observations/themes.ts';
import { readTheme, type ThemeDraft } from '../../ingest/theme.ts';
import { parse, queryOf } from '../operations.ts';
import type { Headers } from './answer.ts';

export type ThemeAnswer = { readonly status: number; readonly body: object; readonly headers: Headers };
type Values = Readonly<Record<string, unknown>>;
type Ask = {
  readonly owner: ThemeOwner;
  /** Of the path; empty where it names no theme. */
  readonly id: string;
  readonly search: string;
  readonly body: () => Promise<Values>;
};
type Way = {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: (themes: Themes, ask: Ask) => ThemeAnswer | Promise<ThemeAnswer>;
};

const SORTED_BY = {
  name: ({ name }: Theme) => name,
  created: ({ createdAt }: Theme) => createdAt,
  updated: ({ updatedAt }: Theme) => updatedAt,
  downloads: ({ downloadCount }: Theme) => downloadCount,
  rating: ({ rating }: Theme) => rating,
} as const;

const whole = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number')
  .transform(Number);
const Query = z.object({
  query: z.string().max(200).default(''),
  authorId: z.string().optional(),
  isPublic: z.enum(['true', 'false']).optional(),
  sortBy: z.enum(['name', 'created', 'updated', 'downloads', 'rating']).default('created'),
  sortOrder: z.enum(['asc', 'desc']).default('desc'),
  limit: whole.default(100),
  offset: whole.default(0),
});
const MAX_LIMIT = 1_000;

const ok = (data: unknown, message?: string): ThemeAnswer => ({
  status: 200,
  body: { success: true, data, ...(message && { message }) },
  headers: {},
});
const ONE = /^\/api\/themes\/[\w-]{1,64}$/;

/** The routes of themes, in the words of the original server. */
export const THEME_WAYS: readonly Way[] = [
  {
    method: 'GET',
    path: /^\/api\/themes$/,
    handle: (themes, { owner, search }) => ok(found(themes.list(owner), search)),
  },
  { method: 'GET', path: /^\/api\/themes\/stats$/, handle: (themes, { owner }) => ok(statsOf(themes.list(owner))) },
  {
    method: 'POST',
    path: /^\/api\/themes$/,
    handle: async (themes, { owner, body }) => made(themes, readTheme(await body(), null), owner),
  },
  {
    method: 'POST',
    path: /^\/api\/themes\/import$/,
    handle: async (themes, { owner, body }) => {
      const { theme } = await body();
      if (!isObject(theme)) throw new AppError('bad_request', 'theme: expected an object');
      const { words, issues } = readTheme({ ...theme, isPublic: false }, null);
      return made(themes, { words: { ...words, name: freeName(themes, words.name, owner) }, issues }, owner);
    },
  },
  { method: 'GET', path: ONE, handle: (themes, { id, owner }) => ok(themes.need(id, owner)) },
  {
    method: 'PUT',
    path: ONE,
    handle: async (themes, { id, owner, body }) => {
      const words = checked(readTheme(await body(), themes.own(id, owner)));
      return ok(themes.update(id, words, owner), 'Theme updated successfully');
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    handle: (themes, { id, owner }) => {
      themes.remove(id, owner);
      return { status: 200, body: { success: true, message: 'Theme deleted successfully' }, headers: {} };
    },
  },
  {
    method: 'GET',
    path: /^\/api\/themes\/[\w-]{1,64}\/export$/,
    handle: (themes, { id, owner }) => {
      const theme = themes.export(id, owner);
      return {
        status: 200,
        body: { version: '1.0.0', theme, exportedAt: new Date(theme.updatedAt).toISOString(), exportedBy: owner.name },
        headers: { 'Content-Disposition': `attachment; filename="${theme.name}.json"` },
      };
    },
  },
];

/** What an error says beside its problem document. */
export const themeError = ({ details }: AppError): object => ({
  success: false,
  ...(details?.validationErrors === undefined ? {} : { validationErrors: details.validationErrors }),
});

const isObject = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function checked({ words, issues }: ThemeDraft): ThemeDraft['words'] {
  if (issues.length === 0) return words;
  throw new AppError('bad_request', 'Validation failed', { details: { validationErrors: issues } });
}

function made(themes: Themes, { words, issues }: ThemeDraft, owner: ThemeOwner): ThemeAnswer {
  const duplicate = { field: 'name', message: 'a theme of this name is there already', code: 'DUPLICATE' } as const;
  const isTaken = words.name !== '' && themes.isTaken(words.name, owner);
  const theme = themes.create(checked({ words, issues: isTaken ? [...issues, duplicate] : issues }), owner);
  const body = { success: true, data: theme, message: 'Theme created successfully' };
  return { status: 201, body, headers: {} };
}

/** What was taken away can be brought back beside the one that is still there. */
function freeName(themes: Themes, name: string, owner: ThemeOwner): string {
  if (name === '' || !themes.isTaken(name, owner)) return name;
  let n = 2;
  while (themes.isTaken(`${name}-${n}`, owner)) n += 1;
  return `${name}-${n}`;
}

function found(themes: readonly Theme[], search: string): Theme[] {
  const asked = parse(Query, queryOf(new URLSearchParams(search)));
  const words = asked.query.toLowerCase();
  const key = SORTED_BY[asked.sortBy];
  const sign = asked.sortOrder === 'asc' ? 1 : -1;
  return themes
    .filter(({ authorId }) => asked.authorId === undefined || authorId === asked.authorId)
    .filter(({ isPublic }) => asked.isPublic === undefined || String(isPublic) === asked.isPublic)
    .filter(({ name, displayName, description = '', tags }) =>
      [name, displayName, description, ...tags].some((text) => text.toLowerCase().includes(words)),
    )
    .sort((a, b) => (key(a) === key(b) ? 0 : key(a) < key(b) ? -sign : sign))
    .slice(asked.offset, asked.offset + Math.min(asked.limit, MAX_LIMIT));
}

function statsOf(themes: readonly Theme[]): object {
  const sum = (of: (theme: Theme) => number): number => themes.reduce((total, theme) => total + of(theme), 0);
  const publicThemes = themes.filter(({ isPublic }) => isPublic).length;
  return {
    totalThemes: themes.length,
    publicThemes,
    privateThemes: themes.length - publicThemes,
    totalDownloads: sum(({ downloadCount }) => downloadCount),
    averageRating: themes.length === 0 ? 0 : sum(({ rating }) => rating) / themes.length,
  };
}
