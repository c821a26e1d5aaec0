import { argument, defineCommand, oneOf, option, time } from '../command.ts';
import { decisionText } from '../decide.ts';
import { idOf } from '../ids.ts';
import { subjectText } from '../progress.ts';

export const approve = defineCommand({
  arguments: { id: argument('id', 'an approval (apr_…)') },
  options: {
    scope: option('--for <scope>', 'how far the yes reaches; default once', oneOf(['once', 'session', 'project'])),
    ttlMs: option('--ttl <time>', 'how long it holds: 30m, 2h', time),
  },
  run: async ({ client, output }, args) => {
    const approval = await (await client()).call('approvals.allow', {
      id: idOf(args.id, ['apr']),
      scope: args.scope ?? 'once',
      ttlMs: args.ttlMs,
    });
    output.result(approval, () => [`${approval.id} ${decisionText(approval)}: ${subjectText(approval)}`]);
  },
});
