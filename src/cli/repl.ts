import { deferred } from '../base/wait.ts';
import type { Client } from '../client/client.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import { didYouMean } from '../daemon/nearest.ts';
import type { Context } from './command.ts';
import { onInterrupt } from './keys.ts';
import { splitWords } from './lines.ts';
import { planOnly } from './plan.ts';
import { NOT_IN_REPL, REPL_HELP } from './repl-help.ts';
import { runRequest, type SubmitArgs } from './request.ts';

const LEAVE = new Set(['exit', 'quit', 'q', '/exit', '/quit', '/q']);

/** The interactive prompt: takes one line after another. */
export class Repl {
  readonly #context: Context;
  readonly #client: Client;
  readonly #args: SubmitArgs & { readonly yes: boolean };
  readonly #confirm: (question: string) => Promise<boolean>;

  constructor(
    context: Context,
    client: Client,
    args: SubmitArgs & { readonly yes: boolean },
    confirm: (question: string) => Promise<boolean>,
  ) {
    this.#context = context;
    this.#client = client;
    this.#args = args;
    this.#confirm = confirm;
  }

  /** What goes wrong is said, and the next line is taken. */
  async take(line: string): Promise<'leave' | 'stay'> {
    const text = line.trim();
    if (LEAVE.has(text)) return 'leave';
    try {
      await this.#act(text);
    } catch (error) {
      const known = toAppError(error);
      if (known.code === 'cancelled') this.#context.output.note(known.message);
      else this.#context.output.failure(known);
    }
    return 'stay';
  }

  async #act(text: string): Promise<void> {
    if (text === '') return;
    if (text === 'help' || text === '/help') return this.#context.output.print(...REPL_HELP);
    // The text of a plan stays as it was typed: quotes are the person's own.
    const planned = /^\/?plan\s+(.*)$/s.exec(text)?.[1];
    if (planned !== undefined) return void (await planOnly(this.#context, this.#client, planned, this.#args));
    if (text.startsWith('/')) return this.#command(splitWords(text.slice(1)));
    // Nobody asks an agent for `status`.
    if (this.#names().includes(text)) return this.#command([text]);
    await runRequest(this.#context, this.#client, text, this.#args, this.#args.yes ? null : this.#confirm);
  }

  #names(): string[] {
    const rows = this.#context.shell.commands.filter((row) => row.group !== null && !NOT_IN_REPL.has(row.name));
    return rows.map((row) => row.name);
  }

  async #command(words: readonly string[]): Promise<void> {
    const names = this.#names();
    const [first = ''] = words;
    if (!names.some((name) => name === first || name.startsWith(`${first} `))) {
      throw new AppError(
        'usage',
        `there is no command /${first}${didYouMean(first, [...new Set(names.flatMap((name) => [name, name.split(' ')[0] ?? '']))])}`,
        {
          details: { remedy: 'See: /help' },
        },
      );
    }
    const invocation = await this.#context.shell.parse(words);
    if (invocation.type === 'help') this.#context.output.print(invocation.text.trimEnd());
    if (invocation.type !== 'run') return;
    const left = deferred<never>();
    const stop = onInterrupt(() => left.reject(new AppError('cancelled', 'interrupted')));
    try {
      await Promise.race([invocation.command.run(this.#context, invocation.args), left.promise]);
    } finally {
      stop();
    }
  }
}
