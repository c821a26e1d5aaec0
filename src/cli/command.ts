import type { ReadStream } from 'node:tty';
import type { Clock } from '../base/clock.ts';
import type { Client } from '../client/client.ts';
import { Duration } from '../contract/duration.ts';
import { AppError } from '../contract/errors.ts';
import type { Environment } from '../daemon/environment.ts';
import type { Globals } from './globals.ts';
import type { Output } from './output.ts';

/** What every command works with. */
export type Context = {
  readonly output: Output;
  readonly globals: Globals;
  readonly shell: Shell;
  readonly environment: Environment;
  /** Absolute. */
  readonly home: string;
  /** Where the command was called. */
  readonly directory: string;
  readonly clock: Clock;
  readonly stdin: ReadStream;
  /** A person sits at both ends: questions can be put. */
  readonly isInteractive: boolean;
  /** The daemon's client; starts the daemon if it is not running and may be started. @throws AppError daemon_unreachable */
  readonly client: () => Promise<Client>;
};

/** The command line itself, for those commands that are about it. */
export type Shell = {
  readonly commands: readonly Row[];
  readonly parse: (argv: readonly string[]) => Promise<Invocation>;
};

/** A command's name (one or two words), what it does, and where its file is: loaded only when it is needed. */
export type Row = {
  readonly name: string;
  readonly summary: string;
  /** The heading in the help; null: not listed. */
  readonly group: string | null;
  readonly load: () => Promise<Command>;
};

/** What a command line asks for. */
export type Invocation =
  | { readonly type: 'version' }
  | { readonly type: 'help'; readonly text: string }
  | {
      readonly type: 'run';
      readonly name: string;
      readonly command: Command;
      readonly args: Readonly<Record<string, unknown>>;
      readonly globals: Globals;
    };

/** An option of a command; without `parse` it is a switch. `values` are what it accepts, where that is a short list. */
export type OptionFact<T> = {
  readonly flags: string;
  readonly summary: string;
  readonly parse: ((text: string) => T) | null;
  readonly initial: T;
  readonly values: readonly string[];
};

/** `<id>` must be given, `[id]` may be, `[words...]` takes all that is left. */
export type ArgumentFact<T> = {
  readonly syntax: string;
  readonly summary: string;
  readonly read: (given: readonly string[]) => T;
  readonly values: readonly string[];
};

type Options = Readonly<Record<string, OptionFact<unknown>>>;
type Arguments = Readonly<Record<string, ArgumentFact<unknown>>>;
type ValuesOf<F> = {
  readonly [K in keyof F]: F[K] extends OptionFact<infer T> ? T : F[K] extends ArgumentFact<infer T> ? T : never;
};

/** What a command is: facts that help and completion are made of, and one act. Its answer is the exit code, 0 if it has none. */
export type Command = {
  readonly arguments: Arguments;
  readonly options: Options;
  /** Lines below the help. */
  readonly details: readonly string[];
  readonly run: (context: Context, args: Readonly<Record<string, unknown>>) => Promise<number | undefined>;
};

/** Joins facts and act; the act sees its arguments with their types. */
export function defineCommand<A extends Arguments, O extends Options>(definition: {
  readonly arguments?: A;
  readonly options?: O;
  readonly details?: readonly string[];
  // biome-ignore lint/suspicious/noConfusingVoidType: a command without a code of its own just ends
  readonly run: (context: Context, args: ValuesOf<A> & ValuesOf<O>) => Promise<number | void>;
}): Command {
  return {
    arguments: definition.arguments ?? {},
    options: definition.options ?? {},
    details: definition.details ?? [],
    run: async (context, args) => (await definition.run(context, args as ValuesOf<A> & ValuesOf<O>)) ?? undefined,
  };
}

export const flag = (flags: string, summary: string): OptionFact<boolean> => ({
  flags,
  summary,
  parse: null,
  initial: false,
  values: [],
});

export function option(flags: string, summary: string): OptionFact<string | undefined>;
export function option<T>(flags: string, summary: string, kind: Kind<T>): OptionFact<T | undefined>;
export function option<T>(flags: string, summary: string, kind?: Kind<T>): OptionFact<T | string | undefined> {
  return { flags, summary, parse: kind?.parse ?? ((given) => given), initial: undefined, values: kind?.values ?? [] };
}

export const argument = (name: string, summary: string, values: readonly string[] = []): ArgumentFact<string> => ({
  syntax: `<${name}>`,
  summary,
  read: ([given]) => given ?? '',
  values,
});

export const optionalArgument = (name: string, summary: string): ArgumentFact<string | undefined> => ({
  syntax: `[${name}]`,
  summary,
  read: ([given]) => given,
  values: [],
});

/** One or more of the same kind. */
export const manyArguments = (name: string, summary: string): ArgumentFact<readonly string[]> => ({
  syntax: `<${name}...>`,
  summary,
  read: (given) => given,
  values: [],
});

/** Words that make one text; undefined if there are none. */
export const words = (name: string, summary: string): ArgumentFact<string | undefined> => ({
  syntax: `[${name}...]`,
  summary,
  read: (given) => (given.length === 0 ? undefined : given.join(' ')),
  values: [],
});

/** How the text of an option becomes a value. @throws AppError usage */
export type Kind<T> = { readonly parse: (text: string) => T; readonly values: readonly string[] };

const refused = (given: string, accepted: readonly string[]): AppError =>
  new AppError('usage', `"${given}" is not accepted`, { details: { accepted } });

export const oneOf = <const V extends string>(values: readonly V[]): Kind<V> => ({
  values,
  parse: (given) => {
    const found = values.find((value) => value === given);
    if (found === undefined) throw refused(given, values);
    return found;
  },
});

export const integer = (min: number, max: number): Kind<number> => ({
  values: [],
  parse: (given) => {
    const value = /^-?\d+$/.test(given) ? Number(given) : Number.NaN;
    if (!(value >= min && value <= max)) throw refused(given, [`a whole number from ${min} to ${max}`]);
    return value;
  },
});

export const amount: Kind<number> = {
  values: [],
  parse: (given) => {
    const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : 0;
    if (!(value > 0)) throw refused(given, ['an amount of US dollars such as 0.50']);
    return value;
  },
};

/** A length of time in milliseconds; a bare number is seconds, as `docker` and `timeout` have it. */
export const time: Kind<number> = {
  values: [],
  parse: (given) => {
    const value = Duration.safeParse(/^\d+$/.test(given) ? `${given}s` : given).data ?? 0;
    if (!(value > 0)) throw refused(given, ['a length of time such as 30s, 15m or 2h']);
    return value;
  },
};

/** `a,b`, each of these. */
export const someOf = <const V extends string>(values: readonly V[]): Kind<V[]> => ({
  values,
  parse: (given) => list.parse(given).map(oneOf(values).parse),
});

/** `a,b,c`. */
export const list: Kind<readonly string[]> = {
  values: [],
  parse: (given) => given.split(',').filter((item) => item !== ''),
};
