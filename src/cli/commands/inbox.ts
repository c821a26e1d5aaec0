import { argument, defineCommand, integer, option } from '../command.ts';
import { stateStyle } from '../lists.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

export const inbox = defineCommand({
  arguments: { agent: argument('agent', 'its address: project/role/name') },
  options: { limit: option('-n, --limit <n>', 'at most so many; default 20', integer(1, 1000)) },
  run: async ({ client, output, clock }, args) => {
    const { items } = await (await client()).call('messages.list', { agent: args.agent, limit: args.limit ?? 20 });
    const now = clock.now();
    output.result(items, () => {
      if (items.length === 0) return ['No messages.'];
      return table(
        [
          { title: 'ID' },
          { title: 'STATE', style: stateStyle },
          { title: 'FROM', min: 8 },
          { title: 'TO', min: 8 },
          { title: 'AGE', align: 'right' },
          { title: 'TEXT', min: 16 },
        ],
        items.map((item) => [
          item.id,
          item.state,
          item.from,
          item.to,
          duration(now - item.createdAt),
          brief(item.text),
        ]),
        output.columns,
        output.paint,
      );
    });
  },
});
