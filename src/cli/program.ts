import { Argument, Command as Commander, CommanderError, Option } from 'commander';
import { AppError } from '../contract/errors.ts';
import type { ArgumentFact, Command, Invocation, OptionFact, Row } from './command.ts';
import { GLOBAL_OPTIONS, type Globals } from './globals.ts';
import { COMMANDS, GROUPS } from './table.ts';
import { wrap } from './text.ts';

const HELP_COLUMNS = 80;
const EVERY_COMMAND = 'For every command:';

/**
 * Reads a command line; only the command that is named gets loaded.
 * @throws AppError usage, with the nearest name for one that is unknown
 */
export async function parse(argv: readonly string[]): Promise<Invocation> {
  const { root, found, written } = build();
  try {
    const { operands, unknown } = root.parseOptions([...argv]);
    if (operands.length === 0 && root.opts().version === true) return { type: 'version' };
    await root.parseAsync(rewrite(argv, operands, unknown).map(protect), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { type: 'help', text: written() };
    const members = membersOf(argv);
    if (error.code === 'commander.help') {
      throw new AppError('usage', 'this command needs another word', { details: { accepted: members } });
    }
    throw usageError(error.message, argv, error.code === 'commander.unknownCommand' ? members : []);
  }
  return found() ?? { type: 'help', text: written() };
}

/** No command is the prompt; `help x` is `x --help`. */
function rewrite(argv: readonly string[], operands: readonly string[], unknown: readonly string[]): readonly string[] {
  if (operands[0] === 'help') return [...operands.slice(1), ...unknown, '--help'];
  const isPrompt = operands.length === 0 && unknown[0] !== '--help' && unknown[0] !== '-h';
  return isPrompt ? argv.toSpliced(argv.length - unknown.length, 0, 'repl') : argv;
}

/** The commands of two words whose first one was given. */
const membersOf = (argv: readonly string[]): readonly string[] =>
  COMMANDS.map((row) => row.name).filter((name) => argv.includes(name.split(' ')[0] ?? '') && name.includes(' '));

/** The command that is named in the first two words that are no options; null if there is none. */
const namedIn = (argv: readonly string[]): string | null => {
  const words = argv.filter((word) => !word.startsWith('-'));
  const named = [words.slice(0, 2).join(' '), words[0]];
  return COMMANDS.find(({ name }) => named.includes(name))?.name ?? null;
};

function usageError(message: string, argv: readonly string[], accepted: readonly string[]): AppError {
  const text = message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim();
  const named = namedIn(argv);
  const remedy = `See: gantry ${named === null ? '' : `${named} `}--help`;
  return new AppError('usage', text, { details: accepted.length > 0 ? { accepted } : { remedy } });
}

/** Texts may begin with a dash; what holds a space is no flag. NUL cannot come from a command line and marks them. */
const MARK = '\u0000';
const protect = (word: string): string => (/^-[^=]*\s/.test(word) ? MARK + word : word);
const unprotect = (word: string): string => (word.startsWith(MARK) ? word.slice(1) : word);

/** The program as commander knows it; a command's own facts are added when it is named. */
function build(): { root: Commander; found: () => Invocation | null; written: () => string } {
  let text = '';
  let invocation: Invocation | null = null;
  const write = (part: string): void => {
    text += part;
  };
  const root = new Commander('gantry')
    .description('Plans a request into tasks; coding agents carry them out, each in a worktree.')
    .usage('[options] [command]')
    .exitOverride()
    .enablePositionalOptions()
    .helpCommand(false)
    .helpOption('-h, --help', 'help')
    .option('-V, --version', 'the version')
    .configureOutput({ writeOut: write, writeErr: write, outputError: () => undefined })
    .addHelpText('after', '\nWithout a command: an interactive prompt. Help for one: gantry <command> --help');
  for (const [flags, summary] of GLOBAL_OPTIONS) root.option(flags, summary);
  const parents = new Map<string, Commander>();
  const rows = new Map<Commander, Row>();
  for (const row of [...GROUPS, null].flatMap((group) => COMMANDS.filter((r) => r.group === group))) {
    const [first = '', second] = row.name.split(' ');
    const parent = second === undefined ? root : (parents.get(first) ?? groupCommand(root, row, parents));
    const leaf = parent.command(second ?? first, { hidden: row.group === null }).description(row.summary);
    if (second === undefined && row.group !== null) leaf.helpGroup(`${row.group}:`);
    rows.set(leaf, row);
  }
  const complete = async (_parent: Commander, leaf: Commander): Promise<void> => {
    const row = rows.get(leaf);
    if (row === undefined) return;
    const command = await row.load();
    declare(leaf, command);
    leaf.action(() => {
      invocation = { type: 'run', name: row.name, command, args: valuesOf(leaf, command), globals: globalsOf(leaf) };
    });
  };
  for (const parent of [root, ...parents.values()]) parent.hook('preSubcommand', complete);
  return { root, found: () => invocation, written: () => text };
}

/** The first word of commands that have two. */
function groupCommand(root: Commander, row: Row, parents: Map<string, Commander>): Commander {
  const [name = ''] = row.name.split(' ');
  const members = COMMANDS.filter((other) => other.name.startsWith(`${name} `));
  const words = members.map((member) => member.name.slice(name.length + 1)).join(', ');
  const description = members.length > 1 ? words : `${words}: ${row.summary}`;
  const parent = root.command(name).description(description).helpCommand(false).enablePositionalOptions();
  if (row.group !== null) parent.helpGroup(`${row.group}:`);
  parents.set(name, parent);
  return parent;
}

function declare(leaf: Commander, command: Command): void {
  for (const fact of Object.values(command.arguments)) leaf.addArgument(new Argument(fact.syntax, fact.summary));
  for (const fact of Object.values(command.options)) {
    const { parse, values } = fact;
    const option = new Option(fact.flags, values.length > 0 ? `${fact.summary} (${values.join(', ')})` : fact.summary);
    leaf.addOption(
      parse === null
        ? option
        : option.argParser((text: string) => parsed(option.long ?? option.flags, parse, unprotect(text))),
    );
  }
  const own = new Set(Object.values(command.options).flatMap((fact) => fact.flags.match(/--?[\w-]+/g) ?? []));
  leaf.addHelpOption(new Option('-h, --help', 'help').helpGroup(EVERY_COMMAND));
  for (const [flags, summary] of GLOBAL_OPTIONS) {
    if (!(flags.match(/--[\w-]+/g) ?? []).some((name) => own.has(name))) {
      leaf.addOption(new Option(flags, summary).helpGroup(EVERY_COMMAND));
    }
  }
  if (command.details.length > 0)
    leaf.addHelpText('after', ['', ...command.details.flatMap((line) => wrap(line, HELP_COLUMNS))].join('\n'));
}

/** What an option refuses is said with its name. */
function parsed(name: string, parse: (text: string) => unknown, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `${name}: ${error.message}`, { details: error.details ?? {} });
  }
}

function valuesOf(leaf: Commander, command: Command): Record<string, unknown> {
  const options = leaf.opts<Record<string, unknown>>();
  const optionValues = Object.entries(command.options).map(([name, fact]: [string, OptionFact<unknown>]) => {
    const value = options[new Option(fact.flags).attributeName()];
    return [name, value ?? fact.initial];
  });
  const given: readonly unknown[] = leaf.processedArgs;
  const argumentValues = Object.entries(command.arguments).map(
    ([name, fact]: [string, ArgumentFact<unknown>], index) => {
      const words = [given[index] ?? []].flat() as string[];
      return [name, fact.read(words.map(unprotect))];
    },
  );
  return Object.fromEntries([...argumentValues, ...optionValues]) as Record<string, unknown>;
}

function globalsOf(leaf: Commander): Globals {
  const chain: Commander[] = [];
  for (let at: Commander | null = leaf; at !== null; at = at.parent) chain.unshift(at);
  const options: Record<string, unknown> = Object.assign({}, ...chain.map((command) => command.opts()));
  const text = (name: string): string | null => {
    if (options[name] === '') throw new AppError('usage', `--${name} is empty`);
    return typeof options[name] === 'string' ? options[name] : null;
  };
  return {
    isJson: options.json === true,
    isQuiet: options.quiet === true,
    home: text('home'),
    url: text('url'),
    token: text('token'),
    mustRun: options.requireDaemon === true,
  };
}
