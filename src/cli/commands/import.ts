import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { AppError } from '../../contract/errors.ts';
import { projectConfigFile, userConfigFile } from '../../daemon/config.ts';
import { readConfigFile } from '../../daemon/config-file.ts';
import type { Environment } from '../../daemon/environment.ts';
import { ROZET_VARIABLES } from '../../daemon/rozet-variables.ts';
import { argument, type Context, defineCommand, flag, manyArguments, option } from '../command.ts';
import { type ConfigEdit, editConfig } from '../config-edit.ts';
import { projectFrom } from '../context.ts';
import { readGastown } from '../gastown.ts';
import { readRozet } from '../rozet.ts';
import { oneLine } from '../text.ts';

export const rozet = defineCommand({
  arguments: { file: argument('file', "Rozet's providers.yaml") },
  options: { isDryRun: flag('--dry-run', 'show what would be set; write nothing') },
  run: async (context, args) => {
    const { config, notices } = readRozet(readText(args.file), args.file, existsSync);
    const edit = editConfig(userConfigFile(context.home), config);
    const all = [...notices, ...variableNotices(context.environment)];
    take(context, [edit], { isDryRun: args.isDryRun, notices: all, shown: { set: config } });
  },
});

export const gastown = defineCommand({
  arguments: { files: manyArguments('file', 'settings/config.json of a town or a rig; several at once') },
  options: {
    isDryRun: flag('--dry-run', 'show what would be set; write nothing'),
    project: option('--project <dir|name>', 'the project that a rig becomes; default: the current directory'),
  },
  run: async (context, args) => {
    const file = userConfigFile(context.home);
    const known = Object.keys(readConfigFile(file)?.backends ?? {});
    const found = readGastown(
      args.files.map((name) => ({ name, text: readText(name) })),
      known,
    );
    const edits = [editConfig(file, found.user)];
    if (Object.keys(found.project).length > 0) {
      edits.push(editConfig(projectConfigFile(await directoryOf(context, args.project)), found.project));
    }
    take(context, edits, {
      isDryRun: args.isDryRun,
      notices: found.notices,
      shown: { files: edits.map((e) => e.file) },
    });
  },
});

/** Everything was checked: what is to be written is written, and said. */
function take(
  { output }: Context,
  edits: readonly ConfigEdit[],
  {
    isDryRun,
    notices,
    shown,
  }: { readonly isDryRun: boolean; readonly notices: readonly string[]; readonly shown: object },
): void {
  const changed = edits.filter(({ isChanged }) => isChanged);
  if (!isDryRun) {
    for (const { file, write } of changed) {
      mkdirSync(dirname(file), { recursive: true });
      write();
    }
  }
  const isChanged = changed.length > 0 && !isDryRun;
  output.result({ file: edits[0]?.file, isChanged, ...shown, notices }, () => [
    ...edits.flatMap(({ leaves }) =>
      leaves.map(({ path, value }) => `${path.join('.')} = ${oneLine(JSON.stringify(value))}`),
    ),
    ...notices.map((notice) => output.paint('yellow', `note: ${oneLine(notice)}`)),
    ...(isDryRun
      ? ['Nothing was written.']
      : edits.map((edit) => `${edit.isChanged ? 'Written to' : 'Nothing new for'} ${edit.file}`)),
  ]);
}

/** The directory of a project by its path or registered name. */
async function directoryOf(context: Context, given: string | undefined): Promise<string> {
  const project = projectFrom(context, given);
  if (isAbsolute(project)) return project;
  const { items } = await (await context.client()).call('projects.list', {});
  const found = items.find(({ name, id }) => name === project || id === project);
  if (found) return found.path;
  throw new AppError(
    'not_found',
    `no project ${project}; known: ${items.map(({ name }) => name).join(', ') || 'none'}`,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AppError(code === 'ENOENT' ? 'not_found' : 'bad_config', `${file} cannot be read: ${message}`, {
      cause: error,
    });
  }
}

const variableNotices = (environment: Environment): string[] =>
  Object.entries(ROZET_VARIABLES)
    .filter(([name]) => environment[name] !== undefined)
    .map(([name, successor]) => `${name} is set and has no effect; use ${successor}`);
