import { textFrom } from '../ask.ts';
import { defineCommand, flag, words } from '../command.ts';
import { dryRun, planOnly } from '../plan.ts';
import { SUBMIT_OPTIONS } from '../request.ts';

const { isSingle, ...options } = SUBMIT_OPTIONS;

export const plan = defineCommand({
  arguments: { text: words('request', 'what is to be planned; - reads standard input') },
  options: { ...options, isDryRun: flag('--dry-run', 'show what the planner would be asked; no model is called') },
  run: async (context, { isDryRun, ...given }) => {
    const text = await textFrom(context, given.text, 'What is to be planned?');
    const client = await context.client();
    const args = { ...given, isSingle: isSingle.initial };
    if (!isDryRun) return planOnly(context, client, text, args);
    await dryRun(context, client, text, args);
    return 0;
  },
});
