import { approvalPage } from '../approvals-page.ts';
import { defineCommand, flag, option } from '../command.ts';
import { idOf } from '../ids.ts';
import { maybe } from '../maybe.ts';

export const approvals = defineCommand({
  options: {
    all: flag('-a, --all', 'those that were decided too'),
    request: option('--request <id>', 'only of this request'),
  },
  run: async ({ client, output, clock }, args) => {
    const { items } = await (await client()).call('approvals.list', {
      all: args.all ? 'true' : 'false',
      requestId: maybe(args.request, (given) => idOf(given, ['req'])),
    });
    output.result(items, () => {
      if (items.length === 0) return [args.all ? 'Nothing was asked yet.' : 'Nothing waits for an answer.'];
      return items.flatMap((item, index) => [...(index > 0 ? [''] : []), ...approvalPage(item, clock.now(), output)]);
    });
  },
});
