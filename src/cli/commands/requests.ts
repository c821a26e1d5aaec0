import { RequestState } from '../../contract/request.ts';
import { defineCommand, integer, option, someOf } from '../command.ts';
import { projectFrom } from '../context.ts';
import { emptyLine, stateStyle } from '../lists.ts';
import { maybe } from '../maybe.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

export const requests = defineCommand({
  options: {
    state: option('--state <a,b>', 'only in these states', someOf(RequestState.options)),
    project: option('--project <dir|name>', 'only of this project'),
    limit: option('-n, --limit <n>', 'at most so many; default 20', integer(1, 1000)),
  },
  run: async (context, args) => {
    const client = await context.client();
    const { items } = await client.call('requests.list', {
      limit: args.limit ?? 20,
      state: args.state,
      project: maybe(args.project, (given) => projectFrom(context, given)),
    });
    const { items: projects } = await client.call('projects.list', {});
    const names = new Map<string, string>(projects.map(({ id, name }) => [id, name]));
    const now = context.clock.now();
    context.output.result(items, () => {
      const none = 'No requests. Make one: gantry run "<request>"';
      if (items.length === 0) return [emptyLine([args.state, args.project], none)];
      const rows = items.map((request) => [
        request.id,
        request.state,
        names.get(request.projectId) ?? '-',
        duration(now - request.createdAt),
        brief(request.text),
      ]);
      const { columns, paint } = context.output;
      return table(
        [
          { title: 'ID' },
          { title: 'STATE', style: stateStyle },
          { title: 'PROJECT', min: 6 },
          { title: 'AGE', align: 'right' },
          { title: 'REQUEST', min: 16 },
        ],
        rows,
        columns,
        paint,
      );
    });
  },
});
