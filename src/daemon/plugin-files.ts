import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { type Environment, variable } from './environment.ts';

/** The copy of the plugin that OpenCode loads: it stays where it is when Gantry is updated. */
export const pluginFileOf = (home: string): string => join(home, 'plugin', 'gantry-opencode.js');
/** Of that plugin: it may hand in work and read; it can answer no approval. */
export const pluginTokenFileOf = (home: string): string => join(home, 'plugin', 'token');

/** Of Claude Code's HTTP hooks: it may only send events, as the source `claude-code`. */
export const hookTokenFileOf = (home: string): string => join(home, 'plugin', 'claude-token');

/** Where OpenCode reads a configuration: of a project, or the person's own (`project` null). */
export function opencodeFiles(environment: Environment, project: string | null): string[] {
  const home = variable(environment, 'HOME') ?? homedir();
  const config = variable(environment, 'XDG_CONFIG_HOME') ?? join(home, '.config');
  return ['opencode.jsonc', 'opencode.json'].map((name) => join(project ?? join(config, 'opencode'), name));
}

/** What was done to a file of the person's, so that it can be undone to the byte. */
const Change = z.object({
  agent: z.string(),
  file: z.string(),
  /** Null: there was no file. */
  before: z.string().nullable(),
  after: z.string(),
  /** Directories that were made for it, outermost first. */
  made: z.array(z.string()),
});
export type Change = z.infer<typeof Change>;

/** Where those changes are written down. */
export const changesFileOf = (home: string): string => join(home, 'plugin', 'changes.json');

/** The changes that were made and not undone. @throws AppError bad_config */
export function readChanges(home: string): Change[] {
  const text = readPersonsFile(changesFileOf(home));
  if (text === null) return [];
  const changes = z.array(Change).safeParse(JSON.parse(text));
  if (changes.success) return changes.data;
  throw new AppError(
    'bad_config',
    `${changesFileOf(home)} cannot be read: take Gantry's lines out of your files by hand`,
  );
}

/** Null if there is none. @throws AppError bad_config */
export function readPersonsFile(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new AppError('bad_config', `${file} cannot be read: ${message}`, { cause: error });
  }
}
