import { lstatSync, readFileSync, statSync } from 'node:fs';
import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import type { z } from 'zod';
import { Config } from '../contract/config.ts';
import { AppError } from '../contract/errors.ts';
import { configKeys, type KeyPath, keysAt, pathText } from './config-keys.ts';
import { didYouMean } from './nearest.ts';

const MAX_BYTES = 1_000_000;
const MAX_ISSUES_SHOWN = 10;

/** What is wrong at one place of a file; lines count from 1. */
export type ConfigIssue = { readonly path: string; readonly line: number; readonly message: string };

/**
 * A configuration file, checked; null if there is none. Lengths of time come out in milliseconds.
 * @throws AppError bad_config, naming file, line and key; `details.issues` holds all of them
 */
export function readConfigFile(file: string): Config | null {
  const text = readSmallFile(file);
  return text === null ? null : parseConfig(text, file);
}

/** A regular file of moderate size; null if there is none. @throws AppError bad_config */
export function readSmallFile(file: string): string | null {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw new AppError('bad_config', `${file} is not a regular file`);
    if (stat.size > MAX_BYTES) throw new AppError('bad_config', `${file} is larger than ${MAX_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isAbsent = (code === 'ENOENT' && !isLink(file)) || code === 'ENOTDIR';
    if (isAbsent) return null;
    if (error instanceof AppError) throw error;
    throw new AppError('bad_config', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

const isLink = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

/** @throws AppError bad_config */
export function parseConfig(text: string, file: string): Config {
  const { tree, faults } = parseJsonc(text, file);
  if (faults.length > 0) throw badConfig(file, faults);
  // An empty file, or one that holds only comments, sets nothing.
  if (tree === undefined) return {};
  const result = Config.safeParse(getNodeValue(tree));
  if (result.success) return result.data;
  throw badConfig(
    file,
    result.error.issues.flatMap((issue) => explainIssue(issue, tree, text)),
  );
}

function parseJsonc(text: string, file: string): { readonly tree: Node | undefined; readonly faults: ConfigIssue[] } {
  try {
    const errors: ParseError[] = [];
    const tree = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
    const syntax = errors.map(({ error, offset }) => ({
      path: '',
      line: lineAt(text, offset),
      message: `not valid JSONC: ${printParseErrorCode(error)}`,
    }));
    return { tree, faults: [...syntax, ...(tree ? doubleKeys(tree, text) : [])] };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new AppError('bad_config', `${file} is nested too deeply`);
  }
}

function doubleKeys(node: Node, text: string): ConfigIssue[] {
  const seen = new Set<unknown>();
  const own = (node.type === 'object' ? (node.children ?? []) : []).flatMap((property) => {
    const key = property.children?.[0];
    if (key === undefined || !seen.has(key.value)) {
      seen.add(key?.value);
      return [];
    }
    return [{ path: String(key.value), line: lineAt(text, key.offset), message: `"${key.value}" is set twice` }];
  });
  return [...own, ...(node.children ?? []).flatMap((child) => doubleKeys(child, text))];
}

function explainIssue(issue: z.core.$ZodIssue, tree: Node, text: string): ConfigIssue[] {
  if (issue.code !== 'unrecognized_keys') {
    const node = findNodeAtLocation(tree, issue.path as (string | number)[]);
    return [
      { path: pathText(issue.path as KeyPath), line: lineAt(text, node?.offset ?? 0), message: messageOf(issue) },
    ];
  }
  const known = keysAt(issue.path as KeyPath);
  return issue.keys.map((key) => {
    const path = [...(issue.path as KeyPath), key];
    const line = lineAt(text, findNodeAtLocation(tree, path)?.parent?.offset ?? 0);
    return { path: pathText(path), line, message: `unknown key "${key}"${hint(key, known)}` };
  });
}

/** A record's bad key tells its reason inside. */
const messageOf = (issue: z.core.$ZodIssue): string =>
  issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;

/** The nearest sibling; else the place where a key of this very name belongs; else all that is accepted there. */
function hint(key: string, siblings: readonly string[]): string {
  const near = didYouMean(key, siblings);
  if (near !== '') return near;
  const elsewhere = configKeys().find((path) => path.at(-1) === key);
  if (elsewhere) return ` (did you mean "${elsewhere.join('.')}"?)`;
  return siblings.length > 0 ? ` (accepted: ${siblings.join(', ')})` : '';
}

function badConfig(file: string, issues: readonly ConfigIssue[]): AppError {
  const shown = issues.slice(0, MAX_ISSUES_SHOWN).map(({ path, line, message }) => {
    return `${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`;
  });
  const more = issues.length > shown.length ? [`and ${issues.length - shown.length} more`] : [];
  return new AppError('bad_config', [...shown, ...more].join('\n'), { details: { file, issues: [...issues] } });
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
