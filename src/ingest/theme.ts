import { THEME_COLORS, type Theme } from '../contract/theme.ts';

/** What its author says of a theme. */
export type ThemeWords = Pick<Theme, 'name' | 'displayName' | 'description' | 'colors' | 'isPublic' | 'tags'>;
export type ThemeIssue = {
  readonly field: string;
  readonly message: string;
  readonly code: 'REQUIRED' | 'INVALID_FORMAT' | 'INVALID_COLOR' | 'DUPLICATE';
};
export type ThemeDraft = { readonly words: ThemeWords; readonly issues: readonly ThemeIssue[] };

const MAX_NAME = 64;
const MAX_DISPLAY_NAME = 100;
const MAX_DESCRIPTION = 1_000;
const MAX_TAGS = 20;
const COLOR_NAMES = 'transparent|black|white|red|green|blue|yellow|cyan|magenta|gray|grey';
const NUMBER = '\\s{0,3}\\d{1,3}(?:\\.\\d{1,4})?%?\\s{0,3}';
const COLOR = new RegExp(
  `^(?:#[0-9a-f]{3}|#[0-9a-f]{6}|rgb\\(${NUMBER},${NUMBER},${NUMBER}\\)|` +
    `rgba\\(${NUMBER},${NUMBER},${NUMBER},\\s{0,3}(?:\\d{1,3})?(?:\\.\\d{1,6})?%?\\s{0,3}\\)|${COLOR_NAMES})$`,
  'i',
);

type Values = Readonly<Record<string, unknown>>;

/** What is given, laid over what was there before, and what is wrong with it. A theme keeps its name. */
export function readTheme(given: Values, before: ThemeWords | null): ThemeDraft {
  const issues: ThemeIssue[] = [];
  const wrong = (field: string, code: ThemeIssue['code'], message: string): void => {
    issues.push({ field, message, code });
  };
  const text = (field: string, most: number, known: string | undefined): string => {
    const value = given[field] ?? known;
    if (value === undefined || value === '') wrong(field, 'REQUIRED', `${field} is required`);
    else if (typeof value !== 'string' || value.length > most) {
      wrong(field, 'INVALID_FORMAT', `${field}: expected a text of at most ${most} characters`);
    } else return value;
    return '';
  };
  // As older clients expect: what a name cannot hold is left out of it.
  const name =
    before?.name ??
    text('name', MAX_NAME, undefined)
      .toLowerCase()
      .replace(/[^a-z0-9_-]/g, '');
  if (name === '' && issues.length === 0) wrong('name', 'INVALID_FORMAT', 'name: expected letters, digits, - or _');
  const displayName = text('displayName', MAX_DISPLAY_NAME, before?.displayName);
  const description = given.description ?? before?.description;
  const isText = typeof description === 'string' && description.length <= MAX_DESCRIPTION;
  if (description !== undefined && !isText) {
    wrong('description', 'INVALID_FORMAT', `description: expected a text of at most ${MAX_DESCRIPTION} characters`);
  }
  const isPublic = given.isPublic ?? before?.isPublic ?? false;
  if (typeof isPublic !== 'boolean') wrong('isPublic', 'INVALID_FORMAT', 'isPublic: expected true or false');
  const tags = given.tags ?? before?.tags ?? [];
  if (!isTags(tags)) wrong('tags', 'INVALID_FORMAT', `tags: expected at most ${MAX_TAGS} texts`);
  const colors = readColors(given.colors, before?.colors ?? {}, wrong);
  const words = { name, displayName, colors, isPublic: isPublic === true, tags: isTags(tags) ? tags : [] };
  return { words: isText ? { ...words, description } : words, issues };
}

function readColors(
  given: unknown,
  before: Theme['colors'],
  wrong: (field: string, code: ThemeIssue['code'], message: string) => void,
): Theme['colors'] {
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  if (given !== undefined && !isObject) {
    wrong('colors', 'INVALID_FORMAT', 'colors: expected an object');
    return before;
  }
  const colors = { ...before, ...(given as Values | undefined) };
  const found = THEME_COLORS.map((key): [string, string] => {
    const color = Object.hasOwn(colors, key) ? colors[key] : undefined;
    if (color === undefined || color === '') wrong(`colors.${key}`, 'REQUIRED', `color ${key} is required`);
    else if (typeof color !== 'string' || !COLOR.test(color)) {
      wrong(`colors.${key}`, 'INVALID_COLOR', `color ${key}: expected #rgb, #rrggbb, rgb(), rgba() or a name`);
    } else return [key, color];
    return [key, ''];
  });
  return Object.fromEntries(found);
}

const isTags = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= MAX_TAGS && value.every((tag) => typeof tag === 'string' && tag.length <= 50);
