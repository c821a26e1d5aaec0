import { type ShellCommand, type ShellLine, ShellReader, type ShellWord } from './shell-reader.ts';

/** Words that begin or continue a control structure. */
const RESERVED = new Set(
  'if then else elif fi for select while until do done case esac in function coproc { } [['.split(' '),
);
const MAX_DEPTH = 6;

/** Splits a line for `sh` or `bash` into its commands. Takes time in proportion to the line's length. */
export function readLine(line: string, depth = 0): ShellLine {
  const { nested, ...read } = new ShellReader(line).read();
  const inner = depth < MAX_DEPTH ? nested.flatMap((text) => readLine(text, depth + 1).commands) : [];
  let { isPlain } = read;
  const commands = read.commands.map((command) => {
    const first = command.words.findIndex((word) => !RESERVED.has(word.text));
    if (first !== 0 && command.words.length > 0) isPlain = false;
    return { ...command, words: first < 0 ? [] : command.words.slice(first) };
  });
  return { commands: [...commands, ...inner], isPlain };
}

/** A command as text: one space between words, quotes only where they are needed. Reading it again gives the same words. */
export function commandText({ words, inputs = [] }: Pick<ShellCommand, 'words'> & Partial<ShellCommand>): string {
  return [
    ...words.map((word) => quoted(word)),
    ...inputs.map((path) => `< ${quoted({ text: path, isGlob: false })}`),
  ].join(' ');
}

const quoted = ({ text, isGlob }: ShellWord): string =>
  isGlob || /^[\w@%+=:,./~^-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
