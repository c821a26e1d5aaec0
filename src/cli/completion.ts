import type { Row } from './command.ts';
import { GLOBAL_OPTIONS } from './globals.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What may follow the words of a command: further words or values, and flags with what they are for. */
type Entry = {
  readonly path: string;
  readonly words: readonly (readonly [word: string, summary: string])[];
  readonly flags: readonly (readonly [flag: string, summary: string])[];
};

/** A completion script, made of the command table. */
export async function completionScript(shell: Shell, commands: readonly Row[]): Promise<string> {
  const entries = await completionEntries(commands);
  switch (shell) {
    case 'bash':
      return bash(entries);
    case 'zsh':
      return zsh(entries);
    case 'fish':
      return fish(entries);
    default:
      return shell satisfies never;
  }
}

const longFlags = (flags: string): string[] => flags.match(/--[\w-]+/g) ?? [];
const globals = GLOBAL_OPTIONS.flatMap(([flags, summary]) => longFlags(flags).map((flag) => [flag, summary] as const));

async function completionEntries(commands: readonly Row[]): Promise<Entry[]> {
  const listed = commands.filter((row) => row.group !== null);
  const leaves = await Promise.all(
    listed.map(async (row): Promise<Entry> => {
      const command = await row.load();
      const values = Object.values(command.arguments).flatMap((fact) => fact.values);
      const flags = Object.values(command.options).flatMap(({ flags: names, summary }) =>
        longFlags(names).map((flag) => [flag, summary] as const),
      );
      return { path: row.name, words: values.map((value) => [value, ''] as const), flags: [...flags, ...globals] };
    }),
  );
  const groups = Map.groupBy(
    listed.filter((row) => row.name.includes(' ')),
    (row) => row.name.split(' ')[0] ?? '',
  );
  const parents = [...groups].map(
    ([name, rows]): Entry => ({
      path: name,
      words: rows.map((row) => [row.name.split(' ')[1] ?? '', row.summary] as const),
      flags: [],
    }),
  );
  const firsts = [
    ...listed.filter((row) => !row.name.includes(' ')).map((row) => [row.name, row.summary] as const),
    ...[...groups.keys()].map((name) => [name, ''] as const),
  ].sort(([a], [b]) => a.localeCompare(b));
  return [
    { path: '', words: firsts, flags: [...globals, ['--version', 'the version'], ['--help', 'help']] },
    ...parents,
    ...leaves,
  ];
}

const names = (pairs: readonly (readonly [string, string])[]): string => pairs.map(([name]) => name).join(' ');

function bash(entries: readonly Entry[]): string {
  return `# bash completion of gantry
_gantry() {
  local path="" word i
  local current="\${COMP_WORDS[COMP_CWORD]}"
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in -*) continue ;; esac
    case "$path" in
      "") path="$word" ;;
      ${[...new Set(entries.filter((e) => e.path.includes(' ')).map((e) => e.path.split(' ')[0]))].join(' | ')}) path="$path $word" ;;
    esac
  done
  local words="" flags=""
  case "$path" in
${entries.map((e) => `    "${e.path}") words="${names(e.words)}"; flags="${names(e.flags)}" ;;`).join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _gantry gantry`;
}

const zshQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''").replaceAll(':', '\\:')}'`;
const described = ([name, summary]: readonly [string, string]): string =>
  zshQuoted(name).slice(0, -1) + (summary === '' ? "'" : `:${zshQuoted(summary).slice(1)}`);

function zsh(entries: readonly Entry[]): string {
  return `#compdef gantry
_gantry() {
  local -a all flags
  local at="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ "$word" == -* ]] && continue
    case "$at" in
      "") at="$word" ;;
      ${[...new Set(entries.filter((e) => e.path.includes(' ')).map((e) => e.path.split(' ')[0]))].join('|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${entries.map((e) => `    "${e.path}") all=(${e.words.map(described).join(' ')}); flags=(${e.flags.map(described).join(' ')}) ;;`).join('\n')}
  esac
  if [[ "$PREFIX" == -* ]]; then
    _describe option flags
  elif (( \${#all} )); then
    _describe word all
  else
    _files
  fi
}
compdef _gantry gantry`;
}

const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fish(entries: readonly Entry[]): string {
  const lines = entries.flatMap((entry) => {
    const [first, second] = entry.path.split(' ');
    const condition =
      entry.path === ''
        ? '__fish_use_subcommand'
        : [first, second]
            .filter((word) => word !== undefined)
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join('; and ');
    const isParent = entries.some((other) => other.path.startsWith(`${entry.path} `)) && entry.path !== '';
    const wordCondition = isParent
      ? `${condition}; and not __fish_seen_subcommand_from ${names(entry.words)}`
      : condition;
    return [
      ...entry.words.map(
        ([word, summary]) =>
          `complete -c gantry -f -n ${fishQuoted(wordCondition)} -a ${fishQuoted(word)} -d ${fishQuoted(summary)}`,
      ),
      ...entry.flags.map(
        ([flag, summary]) =>
          `complete -c gantry -n ${fishQuoted(condition)} -l ${flag.slice(2)} -d ${fishQuoted(summary)}`,
      ),
    ];
  });
  return ['# fish completion of gantry', ...lines].join('\n');
}
