import { askYesNo, textFrom } from '../ask.ts';
import { defineCommand, flag, words } from '../command.ts';
import { runRequest, SUBMIT_OPTIONS, submit } from '../request.ts';

export const run = defineCommand({
  arguments: { text: words('request', 'what is to be done; - reads standard input') },
  options: {
    ...SUBMIT_OPTIONS,
    yes: flag('-y, --yes', 'carry the plan out without asking; without a terminal nobody is asked'),
    detach: flag('-d, --detach', 'print the id and leave; the work goes on'),
  },
  details: [
    'Exit codes: 0 done, 1 failed, 3 denied or unanswered, 5 cancelled, 6 timed out.',
    'A request that begins with a dash: gantry run -- "-…"',
  ],
  run: async (context, args) => {
    const { output } = context;
    const text = await textFrom(context, args.text, 'What is to be done?');
    const client = await context.client();
    if (args.detach) {
      const { id, state } = await submit(context, client, text, { ...args, isPlanOnly: false });
      output.result({ requestId: id, state }, () => [id]);
      return 0;
    }
    const isAsked = context.isInteractive && !args.yes;
    const confirm = isAsked ? (question: string) => askYesNo(context, question) : null;
    return runRequest(context, client, text, args, confirm);
  },
});
