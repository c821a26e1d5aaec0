import { argument, defineCommand } from '../command.ts';
import { oneLine, wrap } from '../text.ts';

export const explain = defineCommand({
  arguments: { id: argument('id', 'the id of anything') },
  run: async ({ client, output }, args) => {
    const found = await (await client()).call('things.explain', { id: args.id });
    output.result(found, () => [
      `${found.kind} ${found.id} is ${output.paint('bold', found.state)}`,
      ...found.lines.flatMap((line) =>
        wrap(oneLine(line), Math.min(output.columns - 2, 100)).map((part) => `  ${part}`),
      ),
    ]);
  },
});
