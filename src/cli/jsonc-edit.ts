import {
  applyEdits,
  findNodeAtLocation,
  getNodeValue,
  modify,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import { AppError } from '../contract/errors.ts';
import type { Edit } from './users-file.ts';

/** An item of ours in a list of a JSON file with comments. */
export type ListItem = {
  /** Where the list is: `['hooks', 'Stop']`. */
  readonly path: readonly string[];
  readonly item: unknown;
};

/**
 * Adds items to lists of a JSON file and takes them out again; everything else, comments included, stays as it is. Lists
 * that are empty then go, and so do objects that held nothing else.
 * @param isOurs tells our items, of whatever version
 */
export function listEdit(items: readonly ListItem[], isOurs: (item: unknown) => boolean, file: string): Edit {
  const paths = items.map(({ path }) => path);
  const ours = (text: string, path: readonly string[]): number[] => {
    const list = valueAt(text, path, file);
    if (!Array.isArray(list)) return [];
    return list.flatMap((item: unknown, index) => (isOurs(item) ? [index] : [])).reverse();
  };
  return {
    add: (before) =>
      items.reduce((text, { path, item }) => {
        const list = valueAt(text, path, file);
        if (list !== undefined && !Array.isArray(list)) {
          throw new AppError('bad_config', `${file}: ${path.join('.')} is no list`);
        }
        // As the first: to take the last item of a list away takes the comment before it, too.
        return list === undefined ? change(text, path, [item]) : change(text, [...path, 0], item, true);
      }, orEmpty(before)),
    remove: (before) =>
      paths.reduce((text, path) => {
        const found = ours(text, path);
        const without = found.reduce((left, index) => change(left, [...path, index], undefined), text);
        return found.length === 0 ? without : prune(without, path, file);
      }, before),
    isIn: (text) => paths.some((path) => ours(text, path).length > 0),
  };
}

const orEmpty = (text: string | null): string => (text === null || text.trim() === '' ? '{}\n' : text);

/** Takes an empty list away, and the objects around it that are empty with it. */
function prune(text: string, path: readonly string[], file: string): string {
  if (path.length === 0) return text;
  const value = valueAt(text, path, file);
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return isEmpty ? prune(change(text, path, undefined), path.slice(0, -1), file) : text;
}

function change(text: string, path: readonly (string | number)[], value: unknown, isArrayInsertion = false): string {
  const [, indent = '  '] = /^([ \t]+)\S/m.exec(text) ?? [];
  const insertSpaces = !indent.startsWith('\t');
  const formattingOptions = { insertSpaces, tabSize: insertSpaces ? indent.length : 1 };
  return applyEdits(text, modify(text, [...path], value, { formattingOptions, isArrayInsertion }));
}

/** Undefined if there is nothing. @throws AppError bad_config for a text that is no JSON with comments */
function valueAt(text: string, path: readonly string[], file: string): unknown {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first || tree?.type !== 'object') {
    const what = first ? `${printParseErrorCode(first.error)} at character ${first.offset}` : 'no object';
    throw new AppError('bad_config', `${file} is not valid: ${what}; nothing was changed`);
  }
  const node = findNodeAtLocation(tree, [...path]);
  return node && getNodeValue(node);
}
