import { posix } from 'node:path';
import { type Forms, formsOf, readsProgram } from './command-forms.ts';
import type { ShellCommand, ShellWord } from './shell-reader.ts';
import { commandText, readLine } from './shell-words.ts';

/** One command of a shell line, as rules see it. */
export type CommandPart = {
  /** What an allowing rule may match: the plain command, and as it was written. Of an opaque part: the whole line. */
  readonly texts: readonly string[];
  /** It could not be split safely: only a rule for everything, or for exactly this text, may allow it. */
  readonly isOpaque: boolean;
  /** What forbidding and asking rules match. */
  readonly forms: Forms;
  /** Files and directories that it names, as the calls of other tools would. */
  readonly paths: readonly { readonly tool: 'read' | 'external_directory'; readonly path: string }[];
};

/** Assignments that change nothing but a program's words. */
const HARMLESS = /^(CI|NO_COLOR|FORCE_COLOR|NODE_ENV|LC_ALL|LANG|TZ|PYTHONDONTWRITEBYTECODE)=/;
const MAX_DEPTH = 4;

/** The commands of a line; paths inside of `directory` count as relative ones. */
export function commandParts(command: string, directory: string | null): readonly CommandPart[] {
  const line = command.trim();
  return plainParts(line, directory, 0) ?? [opaque(line, directory)];
}

function plainParts(line: string, directory: string | null, depth: number): CommandPart[] | null {
  const { commands, isPlain } = readLine(line);
  if (!isPlain || commands.length === 0 || commands.some(readsProgram) || depth > MAX_DEPTH) return null;
  const parts = commands.map((command) => {
    const written = within(command, directory);
    const plain = { ...written, words: peeled(written.words) };
    const inner = innerLine(plain);
    return inner === null ? [partOf(plain, written)] : plainParts(inner, directory, depth + 1);
  });
  return parts.includes(null) ? null : parts.flatMap((part) => part ?? []);
}

const partOf = (plain: ShellCommand, written: ShellCommand): CommandPart => ({
  texts: [...new Set([commandText(plain), commandText(written)])],
  isOpaque: false,
  forms: formsOf({ commands: [written] }),
  paths: [...operands(plain), ...plain.inputs].flatMap((path) => pathOf(path) ?? []),
});

function opaque(line: string, directory: string | null): CommandPart {
  const { texts, isComplete } = formsOf({ commands: readLine(line).commands.map((c) => within(c, directory)) });
  return { texts: [line], isOpaque: true, forms: { texts: [line, ...texts], isComplete }, paths: [] };
}

/** Absolute paths below the directory as relative ones. */
function within(command: ShellCommand, directory: string | null): ShellCommand {
  if (directory === null) return command;
  const inputs = command.inputs.map((path) => relativeTo(path, directory));
  const words = command.words.map(({ text, isGlob }) => {
    const [, option = '', value = text] = /^(-{1,2}[\w-]+=)(.*)$/s.exec(text) ?? [];
    return { text: option + relativeTo(value, directory), isGlob };
  });
  return { ...command, words, inputs };
}

/** A path below `directory` relative to it; every other one as it is. */
export function relativeTo(path: string, directory: string): string {
  if (path === directory || path === `${directory}/`) return '.';
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
}

/** Without what changes nothing: `CI=1 timeout 60 git --no-pager diff` is `git diff`. */
function peeled(words: readonly ShellWord[]): readonly ShellWord[] {
  const [first, second, ...rest] = words;
  if (!(first && second)) return words;
  if (first.text === '!' || first.text === 'time' || HARMLESS.test(first.text)) return peeled(words.slice(1));
  if (first.text === 'timeout' && /^\d+(\.\d+)?[smhd]?$/.test(second.text)) return peeled(rest);
  if (first.text === 'git' && second.text === '--no-pager') return [first, ...rest];
  return words;
}

/** The line that `sh -c` runs. */
function innerLine({ words, inputs }: ShellCommand): string | null {
  const [shell, flags, line] = words;
  if (!line || words.length > 3 || inputs.length > 0) return null;
  return /^(ba)?sh$/.test(shell?.text ?? '') && /^-l?c$/.test(flags?.text ?? '') ? line.text : null;
}

/** The words that may name files. */
function operands({ words }: ShellCommand): string[] {
  const [name = '', ...rest] = words.map((w) => w.text);
  if (name === 'echo') return [];
  const paths = rest.map(
    (text) => /^-{1,2}[\w-]*=(.*)$/s.exec(text)?.[1] ?? /^-\w((?:\/|~|\.\.).*)$/s.exec(text)?.[1] ?? text,
  );
  const isSearch =
    (name === 'grep' || name === 'rg') && !rest.some((text) => /^-[a-z]*[ef]|^--(regexp|file)/i.test(text));
  const pattern = isSearch ? rest.findIndex((text) => !text.startsWith('-')) : -1;
  return paths.filter((text, i) => i !== pattern && !text.startsWith('-'));
}

function pathOf(text: string): CommandPart['paths'][number] | null {
  if (text === '' || text === '/dev/null') return null;
  const path = posix.normalize(text);
  const isOutside = /^[/~]|^\.\.(\/|$)/.test(path) || text.split('/').includes('..');
  return isOutside ? { tool: 'external_directory', path: /^[/~.]/.test(path) ? path : text } : { tool: 'read', path };
}
