import { TaskState } from '../../contract/task.ts';
import { defineCommand, integer, option, someOf } from '../command.ts';
import { projectFrom } from '../context.ts';
import { idOf } from '../ids.ts';
import { emptyLine, orDash, stateStyle } from '../lists.ts';
import { maybe } from '../maybe.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

export const tasks = defineCommand({
  options: {
    state: option('--state <a,b>', 'only in these states', someOf(TaskState.options)),
    request: option('--request <id>', 'only of this request'),
    project: option('--project <dir|name>', 'only of this project'),
    limit: option('-n, --limit <n>', 'at most so many; default 20', integer(1, 1000)),
  },
  run: async (context, args) => {
    const client = await context.client();
    const { items } = await client.call('tasks.list', {
      limit: args.limit ?? 20,
      state: args.state,
      requestId: maybe(args.request, (given) => idOf(given, ['req'])),
      project: maybe(args.project, (given) => projectFrom(context, given)),
    });
    const now = context.clock.now();
    context.output.result(items, () => {
      if (items.length === 0) return [emptyLine([args.state, args.request, args.project], 'No tasks.')];
      const rows = items.map((task) => [
        task.id,
        task.label,
        task.state,
        orDash(task.agent ?? task.backend),
        duration(now - task.createdAt),
        brief(task.title),
      ]);
      const { columns, paint } = context.output;
      return table(
        [
          { title: 'ID' },
          { title: 'TASK' },
          { title: 'STATE', style: stateStyle },
          { title: 'AGENT', min: 8 },
          { title: 'AGE', align: 'right' },
          { title: 'TITLE', min: 16 },
        ],
        rows,
        columns,
        paint,
      );
    });
  },
});
