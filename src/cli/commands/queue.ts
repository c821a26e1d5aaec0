import { defineCommand, option } from '../command.ts';
import { projectFrom } from '../context.ts';
import { stateStyle } from '../lists.ts';
import { maybe } from '../maybe.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

export const queue = defineCommand({
  options: { project: option('--project <dir|name>', 'only of this project') },
  run: async (context, args) => {
    const project = maybe(args.project, (given) => projectFrom(context, given));
    const { items } = await (await context.client()).call('queue.list', { project });
    const { output } = context;
    output.result(items, () => {
      if (items.length === 0) return ['Nothing waits.'];
      return table(
        [
          { title: '#', align: 'right' },
          { title: 'TASK' },
          { title: 'STATE', style: stateStyle },
          { title: 'PRIORITY', align: 'right' },
          { title: 'BACKEND' },
          { title: 'ROLE', min: 6 },
          { title: 'AGE', align: 'right' },
          { title: 'TITLE', min: 12 },
          { title: 'REASON', min: 20 },
        ],
        items.map((row) => [
          row.position === null ? '-' : String(row.position),
          row.taskId,
          row.state,
          String(row.priority),
          row.backend,
          row.role,
          duration(row.age),
          brief(row.title),
          brief(row.reason),
        ]),
        output.columns,
        output.paint,
      );
    });
  },
});
