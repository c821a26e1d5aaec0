import { dirname, join } from 'node:path';
import { applyEdits, modify } from 'jsonc-parser';
import type { Config } from '../contract/config.ts';
import { parseConfig, readSmallFile } from '../daemon/config-file.ts';
import { configSchema } from '../daemon/config-schema.ts';
import { writePrivateFile } from '../daemon/private-file.ts';

/** For editors: beside the file, so that nothing is fetched. */
const SCHEMA_FILE = 'config.schema.json';
const EMPTY = `{\n  "$schema": "./${SCHEMA_FILE}"\n}`;

export type Leaf = { readonly path: readonly string[]; readonly value: unknown };

/** What a configuration file will be: checked before anything is written. */
export type ConfigEdit = {
  readonly file: string;
  readonly leaves: readonly Leaf[];
  readonly isChanged: boolean;
  /** Keeps what was there beside it. */
  readonly write: () => void;
};

/** Sets these values; comments and everything else in the file stay as they are. @throws AppError `bad_config` */
export function editConfig(file: string, values: Config): ConfigEdit {
  const before = readSmallFile(file) ?? '';
  const leaves = leavesOf(values, []);
  const after = leaves.reduce(set, before.trim() === '' ? EMPTY : before);
  parseConfig(after, file);
  const write = (): void => {
    if (before === '')
      writePrivateFile(join(dirname(file), SCHEMA_FILE), `${JSON.stringify(configSchema(), null, 2)}\n`);
    else writePrivateFile(`${file}.bak`, before);
    writePrivateFile(file, after.endsWith('\n') ? after : `${after}\n`);
  };
  return { file, leaves, isChanged: leaves.reduce(set, before) !== before, write };
}

function leavesOf(value: object, path: readonly string[]): Leaf[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? leavesOf(inner, [...path, key])
      : [{ path: [...path, key], value: inner }],
  );
}

const set = (text: string, { path, value }: Leaf): string =>
  applyEdits(text, modify(text, [...path], value, { formattingOptions: { insertSpaces: true, tabSize: 2 } }));
