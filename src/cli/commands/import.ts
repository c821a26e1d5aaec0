import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyEdits, modify } from 'jsonc-parser';
import { AppError } from '../../contract/errors.ts';
import { userConfigFile } from '../../daemon/config.ts';
import { parseConfig, readSmallFile } from '../../daemon/config-file.ts';
import { configSchema } from '../../daemon/config-schema.ts';
import type { Environment } from '../../daemon/environment.ts';
import { writePrivateFile } from '../../daemon/private-file.ts';
import { ROZET_VARIABLES } from '../../daemon/rozet-variables.ts';
import { argument, defineCommand, flag } from '../command.ts';
import { readRozet } from '../rozet.ts';
import { oneLine } from '../text.ts';

/** For editors: beside the file, so that nothing is fetched. */
const SCHEMA_FILE = 'config.schema.json';
const EMPTY = `{\n  "$schema": "./${SCHEMA_FILE}"\n}`;

export const rozet = defineCommand({
  arguments: { file: argument('file', "Rozet's providers.yaml") },
  options: { isDryRun: flag('--dry-run', 'show what would be set; write nothing') },
  run: async ({ home, output, environment }, args) => {
    const { config, notices } = readRozet(readYaml(args.file), args.file, existsSync);
    const file = userConfigFile(home);
    const before = readSmallFile(file) ?? '';
    const leaves = leavesOf(config, []);
    const after = leaves.reduce(set, before.trim() === '' ? EMPTY : before);
    parseConfig(after, file);
    const isChanged = leaves.reduce(set, before) !== before;
    if (isChanged && !args.isDryRun) {
      if (before === '') writePrivateFile(join(home, SCHEMA_FILE), `${JSON.stringify(configSchema(), null, 2)}\n`);
      else writePrivateFile(`${file}.bak`, before);
      writePrivateFile(file, after.endsWith('\n') ? after : `${after}\n`);
    }
    const all = [...notices, ...variableNotices(environment)];
    output.result({ file, isChanged: isChanged && !args.isDryRun, set: config, notices: all }, () => [
      ...leaves.map(({ path, value }) => `${path.join('.')} = ${oneLine(JSON.stringify(value))}`),
      ...all.map((notice) => output.paint('yellow', `note: ${oneLine(notice)}`)),
      args.isDryRun ? 'Nothing was written.' : `${isChanged ? 'Written to' : 'Nothing new for'} ${file}`,
    ]);
  },
});

function readYaml(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AppError(code === 'ENOENT' ? 'not_found' : 'bad_config', `${file} cannot be read: ${message}`, {
      cause: error,
    });
  }
}

type Leaf = { readonly path: readonly string[]; readonly value: unknown };

function leavesOf(value: object, path: readonly string[]): Leaf[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? leavesOf(inner, [...path, key])
      : [{ path: [...path, key], value: inner }],
  );
}

/** Comments and everything else in the file stay as they are. */
const set = (text: string, { path, value }: Leaf): string =>
  applyEdits(text, modify(text, [...path], value, { formattingOptions: { insertSpaces: true, tabSize: 2 } }));

const variableNotices = (environment: Environment): string[] =>
  Object.entries(ROZET_VARIABLES)
    .filter(([name]) => environment[name] !== undefined)
    .map(([name, successor]) => `${name} is set and has no effect; use ${successor}`);
