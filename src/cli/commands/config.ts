import { configSchema } from '../../daemon/config-schema.ts';
import { defineCommand, option, optionalArgument } from '../command.ts';
import { projectFrom } from '../context.ts';
import { maybe } from '../maybe.ts';
import { table } from '../output.ts';
import { oneLine } from '../text.ts';

export const explain = defineCommand({
  arguments: { key: optionalArgument('key', 'a setting or a group of them, such as planner.model or limits') },
  options: { project: option('--project <dir|name>', 'as it is for this project') },
  run: async (context, args) => {
    const { output } = context;
    const client = await context.client();
    const { items } = await client.call('config.explain', {
      key: args.key,
      project: maybe(args.project, (given) => projectFrom(context, given)),
    });
    output.result(items, () => {
      const rows = items.map((item) => [item.key, oneLine(JSON.stringify(item.value) ?? '-'), item.layer, item.source]);
      const columns = [
        { title: 'SETTING' },
        { title: 'VALUE', min: 10 },
        { title: 'FROM' },
        { title: 'WHERE', min: 10 },
      ];
      return table(columns, rows, output.columns, output.paint);
    });
  },
});

export const schema = defineCommand({
  run: async ({ output }) => {
    output.json(configSchema());
  },
});
