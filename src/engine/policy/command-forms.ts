import { posix } from 'node:path';
import type { ShellCommand, ShellLine, ShellWord } from './shell-reader.ts';
import { commandText, readLine } from './shell-words.ts';

/** The ways in which commands can be written, for rules that forbid. */
export type Forms = {
  readonly texts: readonly string[];
  /** False if there are more than are looked at: nothing may be allowed then. */
  readonly isComplete: boolean;
};

const MAX_FORMS = 5_000;
/** Of a command inside of another one this many words are looked at. */
const MAX_INNER_WORDS = 30;
const MAX_LINES = 100;

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));
/** Programs that run what their arguments say. */
const WRAPPERS = words(
  'env - noglob nocorrect command builtin exec eval nohup time timeout nice ionice chrt taskset setsid stdbuf unbuffer xargs parallel watch flock script strace ltrace chroot unshare nsenter runuser su doas sudo ssh trap busybox toybox npx bunx pnpx sh bash dash zsh ksh ash fish',
);
const SHELLS = words('sh bash dash zsh ksh ash fish');
const PACKAGE_RUNNERS = words('npm pnpm yarn bun');
const FIND_ACTIONS = words('-exec -execdir -ok -okdir');
/** Options of the program itself that take the next word as their value. */
const VALUE_OPTIONS: Readonly<Record<string, ReadonlySet<string>>> = {
  git: words('-C -c --git-dir --work-tree --namespace --super-prefix --config-env --attr-source'),
  gantry: words('--home --url --token'),
};

/**
 * Every way to say the commands of a line that a rule might be written for: as they are, by the program's bare name,
 * without options before the sub-command, and what wrappers (`env`, `xargs`, `bash -c`, …) would run.
 */
export function formsOf({ commands }: Pick<ShellLine, 'commands'>): Forms {
  const found: Found = { texts: new Set(), lines: new Set() };
  collect(commands, found);
  return { texts: [...found.texts], isComplete: found.texts.size < MAX_FORMS && found.lines.size < MAX_LINES };
}

/** A shell that runs what it reads: `echo … | sh`. */
export const readsProgram = ({ words: [shell, ...rest] }: ShellCommand): boolean =>
  SHELLS.has(nameOf(shell?.text ?? '')) && rest.every(isOption);

type Found = {
  readonly texts: Set<string>;
  /** Lines inside of lines: each is read once. */
  readonly lines: Set<string>;
};

function collect(commands: readonly ShellCommand[], found: Found): void {
  const isFed = commands.some(readsProgram);
  for (const command of commands) {
    found.texts.add(commandText(command));
    const list = command.words.slice(firstWord(command.words));
    const name = nameOf(list[0]?.text ?? '');
    add(list, found);
    for (const start of innerStarts(name, list)) {
      if (found.texts.size >= MAX_FORMS) return;
      add(list.slice(start, start + MAX_INNER_WORDS), found);
    }
    if (isFed && (name === 'echo' || name === 'printf')) inLine(joined(list.slice(1)), found);
    if (isFed || WRAPPERS.has(name)) inLine(command.here.join('\n'), found);
  }
}

/** Where other commands may begin among the words. */
function innerStarts(name: string, list: readonly ShellWord[]): number[] {
  const at = (isStart: (text: string) => boolean): number[] => list.flatMap((w, i) => (isStart(w.text) ? [i + 1] : []));
  if (name === 'find' || name === 'fd') return at((text) => FIND_ACTIONS.has(text) || text === '-x' || text === '-X');
  const isRunner = PACKAGE_RUNNERS.has(name) && /^(exec|x|dlx)$/.test(list[1]?.text ?? '');
  const isLookup = name === 'command' && /^-[vV]+$/.test(list[1]?.text ?? '');
  return (WRAPPERS.has(name) && !isLookup) || isRunner ? list.map((_, i) => i + 1).slice(0, -1) : [];
}

/** One command that begins with the first of the words. */
function add(all: readonly ShellWord[], found: Found): void {
  const list = all.slice(firstWord(all));
  const [first, ...rest] = list;
  if (!first) return;
  const name = nameOf(first.text);
  const put = (...words: readonly ShellWord[]): void => {
    found.texts.add(commandText({ words: [plainWord(name), ...words] }));
  };
  put(...rest);
  const valued = VALUE_OPTIONS[name];
  if (valued) {
    const from = subCommandAt(list, valued);
    put(...list.slice(from));
    if (name === 'git') aliases(list, from, found);
  }
  if (name === 'rm') for (const path of removedTrees(rest)) put(plainWord('-rf'), plainWord(path));
  if (WRAPPERS.has(name)) {
    for (const { text } of rest) if (/[\s;&|]/.test(text)) inLine(text, found);
    if (name === 'eval') inLine(joined(rest), found);
  }
}

function inLine(text: string, found: Found): void {
  if (found.lines.has(text) || found.lines.size >= MAX_LINES) return;
  found.lines.add(text);
  collect(readLine(text).commands, found);
}

const plainWord = (text: string): ShellWord => ({ text, isGlob: false });
const joined = (list: readonly ShellWord[]): string => list.map((word) => word.text).join(' ');
const isOption = ({ text }: ShellWord): boolean => text.startsWith('-');

/** After assignments and `!`. */
function firstWord(list: readonly ShellWord[]): number {
  const at = list.findIndex(({ text }) => text !== '!' && !/^[A-Za-z_]\w*\+?=/.test(text));
  return at < 0 ? list.length : at;
}

const nameOf = (text: string): string => posix.basename(text).toLowerCase();

/** The index of the sub-command: behind the program's own options. */
function subCommandAt(list: readonly ShellWord[], valued: ReadonlySet<string>): number {
  let at = 1;
  while (at < list.length && list[at]?.text.startsWith('-')) at += valued.has(list[at]?.text ?? '') ? 2 : 1;
  return at;
}

/** `git -c alias.x=push x` */
function aliases(list: readonly ShellWord[], from: number, found: Found): void {
  const called = list[from]?.text;
  for (const { text } of list.slice(1, from)) {
    const [, name, value = ''] = /^(?:-c)?alias\.([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined || name !== called) continue;
    const line = value.startsWith('!') ? value.slice(1) : `git ${value}`;
    inLine([line, joined(list.slice(from + 1))].join(' '), found);
  }
}

/** What a recursive `rm` removes, in however many options it is said. */
function removedTrees(rest: readonly ShellWord[]): string[] {
  const isRecursive = rest.some(({ text }) => /^-[a-z]*r/i.test(text) || text === '--recursive');
  const paths = rest.filter((word) => !isOption(word)).map(({ text }) => text);
  return isRecursive ? paths.map((path) => (path.startsWith('/') ? posix.normalize(path) : path)) : [];
}
