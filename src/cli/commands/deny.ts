import { argument, defineCommand, option } from '../command.ts';
import { decisionText } from '../decide.ts';
import { idOf } from '../ids.ts';

export const deny = defineCommand({
  arguments: { id: argument('id', 'an approval (apr_…)') },
  options: { reason: option('--reason <text>', 'told to the agent') },
  run: async ({ client, output }, args) => {
    const approval = await (await client()).call('approvals.deny', {
      id: idOf(args.id, ['apr']),
      reason: args.reason,
    });
    output.result(approval, () => [`${approval.id} ${decisionText(approval)}`]);
  },
});
