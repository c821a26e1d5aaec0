import type { BudgetSize, PlannedTask, SuccessCriterion } from '../../contract/request.ts';
import { DEFAULT_CRITERION, titleOf } from './plan-fallback.ts';
import { insideProject } from './plan-files.ts';
import type { Entry } from './plan-read.ts';

/** What a task of this project may name. */
export type TaskLimits = {
  readonly roles: readonly string[];
  /** The project's absolute paths. */
  readonly roots: readonly string[];
};

const MAX_LABEL = 40;
export const MAX_DESCRIPTION = 20_000;
export const MAX_FILES = 100;
export const MAX_CRITERIA = 20;
const MAX_CRITERION = 1_000;
const MAX_COMMAND = 2_000;

/** An entry as a task; null if nothing says what to do. Dependencies are still the model's words. */
export function taskOf(
  entry: Entry,
  index: number,
  limits: TaskLimits,
  notice: (text: string) => void,
): PlannedTask | null {
  const written = wordOf(entry.task_id) ?? wordOf(entry.id) ?? '';
  const id = labelOf(written) || `T${index + 1}`;
  const description = textOf(entry.description);
  if (description === '') {
    notice(`${id} was dropped: it has no description`);
    return null;
  }
  if (description.length > MAX_DESCRIPTION) notice(`${id}: the description was cut at ${MAX_DESCRIPTION} characters`);
  const say = (text: string): void => notice(`${id}: ${text}`);
  return {
    id,
    title: titleOf(textOf(entry.title) || description),
    description: description.slice(0, MAX_DESCRIPTION).toWellFormed(),
    files: filesOf(entry.files, limits.roots, say),
    successCriteria: criteriaOf(entry.success_criteria ?? entry.successCriteria),
    budget: budgetOf(entry.budget, say),
    dependsOn: unique(listOf(entry.dependencies ?? entry.dependsOn).flatMap((d) => labelOf(wordOf(d) ?? '') || [])),
    role: roleOf(entry.role, limits.roles, say),
    source: 'model',
  };
}

const wordOf = (value: unknown): string | null =>
  typeof value === 'string' || typeof value === 'number' ? String(value).trim() : null;

const labelOf = (written: string): string =>
  written
    .slice(0, 200)
    .replaceAll(/[^\w.-]+/g, '-')
    .slice(0, MAX_LABEL)
    .replaceAll(/^[.-]+|[.-]+$/g, '');

/** NUL cannot be handed to a program. */
const textOf = (value: unknown): string =>
  typeof value === 'string' ? value.replaceAll('\0', '').toWellFormed().trim() : '';

const listOf = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value;
  return value === null || value === undefined ? [] : [value];
};

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

function filesOf(value: unknown, roots: readonly string[], say: (text: string) => void): string[] {
  const paths: string[] = [];
  for (const written of listOf(value).slice(0, MAX_FILES)) {
    if (typeof written !== 'string') continue;
    const checked = insideProject(written, roots);
    if ('path' in checked) paths.push(checked.path.toWellFormed());
    else say(`the file ${JSON.stringify(written.slice(0, 80))} was dropped: it ${checked.problem}`);
  }
  return unique(paths);
}

const SIZES: readonly BudgetSize[] = ['small', 'medium', 'large'];

function budgetOf(value: unknown, say: (text: string) => void): BudgetSize {
  const word = wordOf(value)?.toLowerCase() ?? '';
  const size = SIZES.find((known) => known === word);
  if (size === undefined && value !== undefined && value !== null)
    say(`the budget ${shown(value)} is not known; medium was taken`);
  return size ?? 'medium';
}

function roleOf(value: unknown, roles: readonly string[], say: (text: string) => void): string | null {
  const word = wordOf(value) ?? '';
  if (roles.includes(word)) return word;
  if (word !== '') say(`there is no role ${shown(value)}; the default was taken`);
  return null;
}

const shown = (value: unknown): string => JSON.stringify(wordOf(value)?.slice(0, 40) ?? typeof value);

function criteriaOf(value: unknown): SuccessCriterion[] {
  const criteria = listOf(value)
    .flatMap((written) => criterionOf(written) ?? [])
    .slice(0, MAX_CRITERIA);
  return criteria.length > 0 ? criteria : [DEFAULT_CRITERION];
}

function criterionOf(value: unknown): SuccessCriterion | null {
  if (typeof value === 'string') {
    const text = textOf(value).slice(0, MAX_CRITERION).toWellFormed();
    return text === '' ? null : { text, command: commandIn(text) };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { text, description, command } = value as Entry;
  const words = (textOf(text) || textOf(description)).slice(0, MAX_CRITERION).toWellFormed();
  const line = textOf(command);
  // Half a command is another command.
  const run = line === '' || line.length > MAX_COMMAND ? null : line;
  if (words === '') return run === null ? null : { text: `\`${run.slice(0, MAX_CRITERION)}\` exits 0`, command: run };
  return { text: words, command: run ?? commandIn(words) };
}

const PROGRAMS =
  /^(\.\/\S+|bash|bun|bundle|cargo|cat|cmake|cmp|composer|ctest|deno|diff|dotnet|eslint|git|go|gradle|grep|ls|make|mvn|mypy|node|npm|npx|php|pnpm|poetry|pytest|python3?|rake|ruby|ruff|sh|swift|test|tox|tsc|uv|yarn|zig|\[)$/;

/** The command of a sentence such as "`npm test` passes"; null unless the whole sentence says just that. */
function commandIn(text: string): string | null {
  const found =
    /^(?:running |the command )?`([^`\n]{1,500})` (?:exits (?:with )?(?:code |status )?0|passes|succeeds)\.?$/i.exec(
      text,
    );
  const command = found?.[1]?.trim() ?? '';
  return PROGRAMS.test(command.split(/\s/)[0] ?? '') ? command : null;
}
