import { askYesNo } from '../ask.ts';
import type { Context } from '../command.ts';
import { defineCommand, flag } from '../command.ts';
import { projectFrom } from '../context.ts';
import { onInterrupt } from '../keys.ts';
import { pipedLines, typedLines } from '../lines.ts';
import { Repl } from '../repl.ts';
import { banner } from '../repl-help.ts';
import { SUBMIT_OPTIONS } from '../request.ts';

export const repl = defineCommand({
  options: { ...SUBMIT_OPTIONS, yes: flag('-y, --yes', 'carry plans out without asking') },
  run: async (context, args) => {
    const { output, stdin, isInteractive } = context;
    const client = await context.client();
    const project = projectFrom(context, args.project);
    output.print(...(await banner(context, client, project, args.model)));
    const lines = isInteractive
      ? typedLines(stdin, context.home, () => output.note('Ctrl-C again leaves.'))
      : pipedLines(stdin);
    const confirm = isInteractive
      ? (question: string) => askYesNo(context, question)
      : (question: string) => readYesNo(context, lines, question);
    const session = new Repl(context, client, { ...args, project, isConversation: true }, confirm);
    // Between two prompts a terminal's Ctrl-C is a signal: it must not end the prompt.
    const stopListening = isInteractive ? onInterrupt(() => undefined) : () => undefined;
    try {
      for (;;) {
        const line = await lines.next(output.paint('cyan', 'gantry> '));
        if (line === null || (await session.take(line)) === 'leave') return 0;
      }
    } finally {
      stopListening();
      lines.close();
    }
  },
});

async function readYesNo(
  { output }: Context,
  lines: ReturnType<typeof pipedLines>,
  question: string,
): Promise<boolean> {
  output.note(`${question} [y/N]`);
  return /^y(es)?$/i.test(((await lines.next('')) ?? '').trim());
}
