import { lstatSync, mkdirSync, realpathSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../contract/errors.ts';
import { type Change, changesFileOf, readChanges, readPersonsFile } from '../daemon/plugin-files.ts';
import { writePrivateFile } from '../daemon/private-file.ts';

/** How something of ours is put into the text of a person's file, found there and taken out again. */
export type Edit = {
  readonly add: (text: string | null) => string;
  /** `isOurs`: what held it was made by `add`. */
  readonly remove: (text: string) => string;
  readonly isIn: (text: string) => boolean;
};

function writeChanges(home: string, changes: readonly Change[]): void {
  if (changes.length === 0) rmSync(changesFileOf(home), { force: true });
  else writePrivateFile(changesFileOf(home), `${JSON.stringify(changes, null, 2)}\n`);
}

/** Puts it in. @returns false if it is there already. @throws AppError bad_config if the file cannot be read or edited */
export function addToFile(home: string, agent: string, file: string, edit: Edit): boolean {
  const before = readPersonsFile(file);
  if (before !== null && edit.isIn(before)) return false;
  const after = edit.add(before);
  const made = makeDirectories(dirname(file));
  const others = readChanges(home).filter((change) => change.file !== file);
  // Written down first: what is not in the book could not be undone.
  writeChanges(home, [...others, { agent, file, before, after, made }]);
  writeText(file, after);
  return true;
}

/** Takes it out: a file that nobody has touched since is as it was, of another only our part goes. @returns whether it was in */
export function removeFromFile(home: string, file: string, edit: Edit): boolean {
  const changes = readChanges(home);
  const change = changes.find((one) => one.file === file);
  const now = readPersonsFile(file);
  const isIn = now !== null && edit.isIn(now);
  if (now !== null && change?.after === now) {
    if (change.before === null) rmSync(file);
    else writeText(file, change.before);
  } else if (now !== null && isIn) {
    writeText(file, edit.remove(now));
  }
  for (const directory of change?.made.toReversed() ?? []) removeEmpty(directory);
  writeChanges(
    home,
    changes.filter((one) => one !== change),
  );
  return isIn;
}

/** Replaces the file, or what a link leads to, with the same rights; a reader sees the old text or the new one. */
function writeText(file: string, text: string): void {
  const target = lstatSync(file, { throwIfNoEntry: false }) ? realpathSync(file) : file;
  const mode = statSync(target, { throwIfNoEntry: false })?.mode ?? 0o644;
  const next = `${target}.gantry-${process.pid}`;
  try {
    writeFileSync(next, text, { mode: mode & 0o777 });
    renameSync(next, target);
  } catch (error) {
    rmSync(next, { force: true });
    throw new AppError('bad_config', `${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

function makeDirectories(directory: string): string[] {
  const made: string[] = [];
  for (let path = directory; !statSync(path, { throwIfNoEntry: false }); path = dirname(path)) made.unshift(path);
  mkdirSync(directory, { recursive: true });
  return made;
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT' && code !== 'EEXIST') throw error;
  }
}
